// s8 in blocks anywhere.
#include "matmul/blocks.h"
#include <string.h>
#define CK_BLOCKS_MR 2
typedef int32_t ck_lanes __attribute__((vector_size(16)));
typedef int32_t ck_packed_element;
enum { CK_STEPS = 4 };
static const uint8_t order[CK_STEPS] = {0, 1, 2, 3};
CK_INLINE ck_lanes ck_load_b(const char *p, size_t v, size_t s) {
  uint32_t groups __attribute__((vector_size(16)));
  memcpy(&groups, p + 16 * v, sizeof groups);
  return (ck_lanes)(groups << (24 - 8 * s)) >> 24;
}
CK_INLINE ck_lanes ck_dot(ck_lanes sum, int32_t a, ck_lanes b) { return sum + a * b; }
#include "matmul/blocks_s8.inc.h"

const ck_matmul_kernel ck_blocks_s8_portable = CK_BLOCKS_S8(3);
