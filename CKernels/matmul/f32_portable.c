// f32 anywhere. A multiply and an add, fused only where the compiler's baseline fuses.
#include "matmul/types.h"
typedef float ck_lanes __attribute__((vector_size(16)));
typedef float ck_element;
#define CK_UNIT_BYTES 32
CK_INLINE ck_lanes ck_load_b(const char *p, size_t v) {
  ck_lanes lanes;
  __builtin_memcpy(&lanes, p + 16 * v, sizeof lanes);
  return lanes;
}
CK_INLINE ck_lanes ck_dot(ck_lanes sum, ck_element a, ck_lanes b) { return sum + a * b; }
#include "matmul/tile_portable.inc.h"

CK_INLINE void put(char *to, const char *from) { memcpy(to, from, sizeof(float)); }

static void pack_a(void *panel, void *extra, const ck_matmul_source *source, size_t first, size_t rows, size_t from,
                   size_t depth) {
  ck_pack_elements(panel, rows, sizeof(float), source, first, rows, from, depth, put);
}

static void pack_b(void *panel, void *extra, const ck_matmul_source *source, size_t first, size_t columns, size_t from,
                   size_t depth) {
  ck_pack_elements(panel, CK_NR, sizeof(float), source, first, columns, from, depth, put);
}

const ck_matmul_kernel ck_matmul_f32_portable = {
    .mr = CK_MR,
    .nr = CK_NR,
    .kgroup = 1,
    .a_bytes = 4,
    .unit = 1,
    .unit_bytes = CK_UNIT_BYTES,
    .sums = CK_F32,
    .rate = 6,
    .pack_a = {[CK_F32] = pack_a},
    .pack_b = pack_b,
    .tile = ck_tile,
};
