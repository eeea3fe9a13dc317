// u8 x s8 -> s32 on AVX2.
#include "matmul/types.h"
#if defined(__x86_64__)
#include "runtime/target.h"
CK_TARGET_BEGIN(CK_TARGET_AVX2)
#include "matmul/s8_avx2.inc.h"

static void pack_a(void *panel, void *extra, const ck_matmul_source *source, size_t first, size_t rows, size_t from,
                   size_t depth) {
  pack_bytes_a(panel, source, first, rows, from, depth, ck_units8_u8);
}
CK_TARGET_END

const ck_matmul_kernel ck_matmul_u8s8_avx2 = {
    .mr = CK_MR,
    .nr = CK_NR,
    .kgroup = GROUP,
    .a_bytes = 2,
    .unit = GROUP,
    .unit_bytes = CK_UNIT_BYTES,
    .sums = CK_S32,
    .rate = 40,
    .pack_a = {[CK_U8] = pack_a},
    .pack_b = pack_b,
    .tile = ck_tile,
};
#endif
