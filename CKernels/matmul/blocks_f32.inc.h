// f32 in blocks for blocks_vector.inc.h; before including define ck_lanes and ck_dot.
#include "matmul/blocks_elements.inc.h"

typedef float ck_element, ck_sum;
enum { CK_STEPS = 1, CK_VECTORS = CK_BLOCK_BYTES / sizeof(ck_lanes) };
CK_INLINE ck_lanes ck_load_b(const char *p, size_t v, size_t s) {
  ck_lanes lanes;
  memcpy(&lanes, p + v * sizeof lanes, sizeof lanes);
  return lanes;
}
#include "matmul/blocks_vector.inc.h"

CK_INLINE void put(char *to, const char *from, float scale) { memcpy(to, from, 4); }
static void pack_a(void *panel, void *extra, const ck_matmul_source *source, size_t first, size_t rows, size_t from,
                   size_t depth) {
  static const uint8_t order[CK_STEPS];
  ck_pack_a_elements(panel, source, first, rows, from, depth, CK_STEPS, 4, order, put);
}
#define CK_BLOCKS_F32(multiply_adds)                                                                                   \
  {.mr = CK_BLOCKS_MR,                                                                                                 \
   .nr = CK_BLOCK_COLUMNS,                                                                                             \
   .kgroup = CK_STEPS,                                                                                                 \
   .a_bytes = 4,                                                                                                       \
   .unit = CK_STEPS,                                                                                                   \
   .unit_bytes = CK_BLOCK_BYTES,                                                                                       \
   .sums = CK_F32,                                                                                                     \
   .rate = multiply_adds,                                                                                              \
   .pack_a = {[CK_F32] = pack_a},                                                                                      \
   .tile = ck_tile}
