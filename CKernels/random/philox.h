// What Philox4x32-10 needs of seed and stream, computed once by a driver.
#ifndef CK_PHILOX_H
#define CK_PHILOX_H
#include <stdint.h>

typedef struct ck_philox {
  uint64_t stream;
  uint32_t keys[10][2];
} ck_philox;

// The key schedule (section 3.3): a Weyl sequence on each half of the seed.
static inline ck_philox ck_philox_schedule(uint64_t seed, uint64_t stream) {
  ck_philox philox = {.stream = stream};
  for (uint32_t round = 0; round < 10; round++) {
    philox.keys[round][0] = (uint32_t)seed + round * 0x9E3779B9u;
    philox.keys[round][1] = (uint32_t)(seed >> 32) + round * 0xBB67AE85u;
  }
  return philox;
}
#endif
