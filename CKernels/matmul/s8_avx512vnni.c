// s8 x s8 -> s32 with vpdpbusd, four steps of K at a time. The instruction multiplies unsigned by signed, so A is
// packed as a + 128 (one xor), and -128 times the sum of each column of B, which follows its panel, joins the sums
// once. vpdpbusd does not saturate; intermediate wrap-around cancels, and the end result fits by the bound on K.
#include "matmul/mask.h"
#if defined(__x86_64__)
#include "runtime/target.h"
#include <immintrin.h>
CK_TARGET_BEGIN(CK_TARGET_AVX512VNNI)
#define CK_UNIT_BYTES 128
CK_INLINE __m512i ck_load_b(const char *p, size_t v) { return _mm512_loadu_si512(p + 64 * v); }
CK_INLINE __m512i ck_dot(__m512i sum, __m512i a, __m512i b) { return _mm512_dpbusd_epi32(sum, a, b); }
#define CK_ADD_EXTRA(sum, p) _mm512_add_epi32(sum, _mm512_loadu_si512(p))
#include "matmul/tile_avx512.inc.h"
#include "matmul/s8_avx512vnni.inc.h"
CK_TARGET_END

CK_TARGET_BEGIN(CK_TARGET_AVX512VNNI ",avx512vbmi,avx512vbmi2")
#include "matmul/mask_bytes_avx512.inc.h"
#include "matmul/tile_masked_avx512.inc.h"
CK_TARGET_END

const ck_matmul_kernel ck_matmul_s8_avx512vnni = {
    .mr = CK_MR,
    .nr = CK_NR,
    .kgroup = 4,
    .a_bytes = 1,
    .unit = 4,
    .unit_bytes = CK_UNIT_BYTES,
    .b_extra = CK_NR * 4,
    .sums = CK_S32,
    .rate = 180,
    .pack_a = {[CK_S8] = pack_a, [CK_F32] = quantize_a},
    .pack_b = pack_b,
    .row_scale = row_scale,
    .tile = ck_tile,
    .masked = ck_tile_masked,
    .expanding = ck_tile_expanding,
    .masked_needs = CK_ISA_AVX512VBMI2,
};
#endif
