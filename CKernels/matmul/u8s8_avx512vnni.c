// u8 x s8 -> s32 with vpdpbusd, which is just that: four steps of K at a time, exact, nothing to compensate.
#include "matmul/mask.h"
#if defined(__x86_64__)
#include "runtime/target.h"
#include <immintrin.h>
CK_TARGET_BEGIN(CK_TARGET_AVX512VNNI)
#define CK_UNIT_BYTES 128
CK_INLINE __m512i ck_load_b(const char *p, size_t v) { return _mm512_loadu_si512(p + 64 * v); }
CK_INLINE __m512i ck_dot(__m512i sum, __m512i a, __m512i b) { return _mm512_dpbusd_epi32(sum, a, b); }
#include "matmul/tile_avx512.inc.h"
#include "matmul/bytes_avx512.inc.h"

static void pack_a(void *panel, void *extra, const ck_matmul_source *source, size_t first, size_t rows, size_t from,
                   size_t depth) {
  ck_pack_a_bytes(panel, source, first, rows, from, depth, 0);
}

static void pack_b(void *panel, void *extra, const ck_matmul_source *source, size_t first, size_t columns, size_t from,
                   size_t depth) {
  const char *at = source->data + first * source->stride + from * source->k_stride;
  ck_pack_b_bytes(panel, at, source->stride, source->k_stride, columns, depth);
}
CK_TARGET_END

CK_TARGET_BEGIN(CK_TARGET_AVX512VNNI ",avx512vbmi,avx512vbmi2")
#include "matmul/mask_bytes_avx512.inc.h"
#include "matmul/tile_masked_avx512.inc.h"
CK_TARGET_END

const ck_matmul_kernel ck_matmul_u8s8_avx512vnni = {
    .mr = CK_MR,
    .nr = CK_NR,
    .kgroup = 4,
    .a_bytes = 1,
    .unit = 4,
    .unit_bytes = CK_UNIT_BYTES,
    .sums = CK_S32,
    .rate = 180,
    .pack_a = {[CK_U8] = pack_a},
    .pack_b = pack_b,
    .tile = ck_tile,
    .masked = ck_tile_masked,
    .expanding = ck_tile_expanding,
    .masked_needs = CK_ISA_AVX512VBMI2,
};
#endif
