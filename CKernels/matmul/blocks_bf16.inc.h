// bf16 in blocks, widened and summed in f32, for blocks_vector.inc.h; before including define ck_lanes, ck_dot and
// widen_bf16, narrow_bf16 for one element (vector/halves.inc.h).
#include "matmul/blocks_elements.inc.h"

typedef float ck_element, ck_sum;
enum { CK_STEPS = 2, CK_VECTORS = CK_BLOCK_BYTES / sizeof(ck_lanes) };
typedef uint32_t ck_pairs __attribute__((vector_size(sizeof(ck_lanes))));
CK_INLINE ck_lanes ck_load_b(const char *p, size_t v, size_t s) {
  ck_pairs pairs;
  memcpy(&pairs, p + v * sizeof pairs, sizeof pairs);
  return (ck_lanes)(s == 0 ? pairs << 16 : pairs & 0xffff0000u);
}
#include "matmul/blocks_vector.inc.h"

CK_INLINE void put(char *to, const char *from, float scale) {
  uint16_t half;
  memcpy(&half, from, sizeof half);
  const float wide = widen_bf16(half);
  memcpy(to, &wide, sizeof wide);
}
CK_INLINE void put_rounded(char *to, const char *from, float scale) {
  float x;
  memcpy(&x, from, sizeof x);
  x = widen_bf16(narrow_bf16(x));
  memcpy(to, &x, sizeof x);
}
static const uint8_t order[CK_STEPS] = {0, 1};
static void pack_a(void *panel, void *extra, const ck_matmul_source *source, size_t first, size_t rows, size_t from,
                   size_t depth) {
  ck_pack_a_elements(panel, source, first, rows, from, depth, CK_STEPS, 4, order, put);
}
static void pack_a_f32(void *panel, void *extra, const ck_matmul_source *source, size_t first, size_t rows, size_t from,
                       size_t depth) {
  ck_pack_a_elements(panel, source, first, rows, from, depth, CK_STEPS, 4, order, put_rounded);
}
#define CK_BLOCKS_BF16(multiply_adds)                                                                                  \
  {.mr = CK_BLOCKS_MR,                                                                                                 \
   .nr = CK_BLOCK_COLUMNS,                                                                                             \
   .kgroup = CK_STEPS,                                                                                                 \
   .a_bytes = 4,                                                                                                       \
   .unit = CK_STEPS,                                                                                                   \
   .unit_bytes = CK_BLOCK_BYTES,                                                                                       \
   .sums = CK_F32,                                                                                                     \
   .rate = multiply_adds,                                                                                              \
   .pack_a = {[CK_BF16] = pack_a, [CK_F32] = pack_a_f32},                                                              \
   .tile = ck_tile}
