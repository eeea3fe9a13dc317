// s8 in blocks for blocks_vector.inc.h; before including define ck_lanes, ck_load_b, ck_dot, CK_STEPS, ck_packed (an
// element of A) and `order`, where each of the four steps of a K-group is.
#include "matmul/blocks_elements.inc.h"
#include "quantize/scale.h"

typedef int32_t ck_element, ck_sum;
enum { CK_VECTORS = CK_BLOCK_BYTES / sizeof(ck_lanes), CK_GROUP = 4 };
#include "matmul/blocks_vector.inc.h"

CK_INLINE void put(char *to, const char *from, float scale) {
  const ck_packed_element a = *(const int8_t *)from;
  memcpy(to, &a, sizeof a);
}
// scale is the row's.
CK_INLINE void put_quantized(char *to, const char *from, float scale) {
  const float inverse = ck_quantization_inverse(scale);
  float x;
  memcpy(&x, from, sizeof x);
  const ck_packed_element a = inverse != 0 ? ck_quantization_round(x * inverse) : 0;
  memcpy(to, &a, sizeof a);
}
static void pack_a(void *panel, void *extra, const ck_matmul_source *source, size_t first, size_t rows, size_t from,
                   size_t depth) {
  ck_pack_a_elements(panel, source, first, rows, from, depth, CK_GROUP, sizeof(ck_packed_element), order, put);
}
static void quantize_a(void *panel, void *extra, const ck_matmul_source *source, size_t first, size_t rows, size_t from,
                       size_t depth) {
  ck_pack_a_elements(panel, source, first, rows, from, depth, CK_GROUP, sizeof(ck_packed_element), order,
                     put_quantized);
}
#define CK_BLOCKS_S8(multiply_adds)                                                                                    \
  {.mr = CK_BLOCKS_MR,                                                                                                 \
   .nr = CK_BLOCK_COLUMNS,                                                                                             \
   .kgroup = CK_GROUP,                                                                                                 \
   .a_bytes = sizeof(ck_packed_element),                                                                               \
   .unit = CK_GROUP,                                                                                                   \
   .unit_bytes = CK_BLOCK_BYTES,                                                                                       \
   .sums = CK_S32,                                                                                                     \
   .rate = multiply_adds,                                                                                              \
   .pack_a = {[CK_S8] = pack_a, [CK_F32] = quantize_a},                                                                \
   .row_scale = ck_quantization_row_scale,                                                                             \
   .tile = ck_tile}
