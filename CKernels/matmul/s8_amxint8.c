// s8 x s8 -> s32 with tdpbssd: 64 steps of K at a time, exact, nothing to compensate.
#include "matmul/mask.h"
#if defined(__x86_64__)
#include "runtime/target.h"
#include <immintrin.h>
CK_TARGET_BEGIN(CK_TARGET_AMXINT8)
#include "matmul/dwords_avx512.inc.h"

#include "matmul/columns_avx512.inc.h"
#define CK_DOT_TILES _tile_dpbssd
#include "matmul/tile_amx.inc.h"
#include "matmul/bytes_avx512.inc.h"

#include "matmul/bytes_amx.inc.h"

#include "matmul/bytes_b_amx.inc.h"

static float row_scale(const float *row, size_t k) { return ck_s8_row_scale(row, k); }
CK_TARGET_END

CK_TARGET_BEGIN(CK_TARGET_AMXINT8 ",avx512vbmi,avx512vbmi2")
#define CK_MASK_TYPE uint64_t
#define CK_MASK_ELEMENT 1
#define CK_MASK_LOAD(p, bits) _mm512_maskz_expand_epi8(bits, _mm512_loadu_si512(p))
#define CK_MASK_SIGNED
#define CK_MASK_A(a, c, rows) ((a) + (c) / 4 * ((rows) * 64) + (c) % 4 * 16)
#define CK_MASK_A_GROUP(rows) 4
#define CK_MASK_A_ROW 64
#define CK_MASKED_CASES CK_MASKED_CASES_4
CK_INLINE __m512i ck_dot(__m512i sum, __m512i a, __m512i b) { return _mm512_dpbusd_epi32(sum, a, b); }
#include "matmul/mask_vector_avx512.inc.h"
#include "matmul/tile_masked_amx.inc.h"
#include "matmul/tile_masked_avx512.inc.h"

// Sums are exact either way; tiles take 1.7 times as long with one row.
static void masked(const ck_matmul_tile *tile) {
  if (tile->rows <= 4)
    ck_tile_masked(tile);
  else
    ck_tile_masked_amx(tile);
}
CK_TARGET_END

const ck_matmul_kernel ck_matmul_s8_amxint8 = CK_AMX_KERNEL(
    64, 1, .unit_bytes = CK_UNIT_BYTES, .sums = CK_S32, .rate = 1200,
    .pack_a = {[CK_S8] = ck_pack_a_amx, [CK_F32] = ck_quantize_a_amx}, .pack_b = ck_pack_b_amx, .row_scale = row_scale,
    .tile = ck_tile, .masked = masked, .expanding = ck_tile_expanding, .masked_needs = CK_ISA_AVX512VBMI2);
#endif
