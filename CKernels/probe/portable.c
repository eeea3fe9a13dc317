#include "probe/probe.h"
#include "runtime/isa.h"
typedef float vector __attribute__((vector_size(16)));
enum { ACCUMULATORS = 12 };

float ck_probe_f32_portable(uint64_t iterations, float seed) {
  vector sum[ACCUMULATORS], x = {seed, seed, seed, seed}, y = {1 - seed, 1 - seed, 1 - seed, 1 - seed};
#pragma clang loop unroll(full)
  for (int i = 0; i < ACCUMULATORS; i++) sum[i] = x * (float)i;
  for (uint64_t n = 0; n < iterations; n++) {
    // Multiplications and additions stay in the loop: each accumulator is its own factor.
#pragma clang loop unroll(full)
    for (int i = 0; i < ACCUMULATORS; i++) sum[i] = sum[i] * x + y;
  }
  float total = 0;
  for (int i = 0; i < ACCUMULATORS; i++) total += sum[i][0] + sum[i][1] + sum[i][2] + sum[i][3];
  return total;
}
