// s8 x s8 -> s32 with tdpbssd: 64 steps of K at a time, exact, nothing to compensate.
#include "matmul/types.h"
#if defined(__x86_64__)
#include "runtime/target.h"
#include <immintrin.h>
CK_TARGET_BEGIN(CK_TARGET_AMXINT8)
#include "matmul/dwords_avx512.inc.h"

#include "matmul/columns_avx512.inc.h"
#define CK_DOT_TILES _tile_dpbssd
#include "matmul/tile_amx.inc.h"
#include "matmul/bytes_amx.inc.h"

static void quantize_a(void *panel, void *extra, const ck_matmul_source *source, size_t first, size_t rows, size_t from,
                       size_t depth) {
  const char *at = source->data + first * source->stride + from * sizeof(float);
  for (size_t i = 0; i < rows; i++, at += source->stride) {
    const float scale = ck_quantization_inverse(source->scales[i]);
    const __m512 inverse = _mm512_set1_ps(scale);
    char *to = (char *)panel + i * 64;
    for (size_t k = 0; k < depth; k += 64, to += rows * 64)
      for (size_t s = 0; s < 64; s += 16) {
        const __mmask16 mask = scale != 0 && k + s < depth ? ck_mask16(depth - k - s) : 0;
        _mm_store_si128((__m128i *)(to + s), ck_quantize16(at + (mask ? k + s : 0) * sizeof(float), mask, inverse));
      }
  }
}
static float row_scale(const float *row, size_t k) { return ck_s8_row_scale(row, k); }
CK_TARGET_END

const ck_matmul_kernel ck_matmul_s8_amxint8 = {
    .mr = CK_ROWS,
    .nr = CK_NR,
    .kgroup = 64,
    .a_bytes = 1,
    .grain = CK_ROWS,
    .unit = 64,
    .unit_bytes = CK_UNIT_BYTES,
    .one_panel = true,
    .sums = CK_S32,
    .rate = 1200,
    .pack_a = {[CK_S8] = ck_pack_a_amx, [CK_F32] = quantize_a},
    .pack_b = ck_pack_b_amx,
    .row_scale = row_scale,
    .tile = ck_tile,
    .enter = ck_tiles_enter,
    .leave = ck_tiles_leave,
};
#endif
