// f32 on AVX-512: one chain of vfmadd231ps an element.
#include "matmul/mask.h"
#if defined(__x86_64__)
#include "runtime/target.h"
#include <immintrin.h>
CK_TARGET_BEGIN(CK_TARGET_AVX512)
#define CK_UNIT_BYTES 128
CK_INLINE __m512i ck_load_b(const char *p, size_t v) { return _mm512_loadu_si512(p + 64 * v); }
CK_INLINE __m512i ck_dot(__m512i sum, __m512i a, __m512i b) {
  return _mm512_castps_si512(_mm512_fmadd_ps(_mm512_castsi512_ps(a), _mm512_castsi512_ps(b), _mm512_castsi512_ps(sum)));
}
#include "matmul/tile_avx512.inc.h"

static void pack_a(void *panel, void *extra, const ck_matmul_source *source, size_t first, size_t rows, size_t from,
                   size_t depth) {
  const char *at = source->data + first * source->stride + from * source->k_stride;
  if (source->k_stride == sizeof(float))
    return ck_pack_a_rows(panel, at, source->stride, rows, depth * sizeof(float), _mm512_setzero_si512());
  const __mmask16 mask = ck_mask16(rows);
  float *to = panel;
  for (size_t k = 0; k < depth; k++, at += source->k_stride, to += rows)
    _mm512_storeu_ps(to, _mm512_maskz_loadu_ps(mask, at));
}

static void pack_b(void *panel, void *extra, const ck_matmul_source *source, size_t first, size_t columns, size_t from,
                   size_t depth) {
  const char *at = source->data + first * source->stride + from * source->k_stride;
  if (source->k_stride == sizeof(float))
    return ck_pack_b_rows(panel, at, source->stride, columns, depth * sizeof(float));
  const __mmask16 low = ck_mask16(columns), high = ck_mask16(columns > 16 ? columns - 16 : 0);
  float *to = panel;
  for (size_t k = 0; k < depth; k++, at += source->k_stride, to += CK_NR) {
    _mm512_storeu_ps(to, _mm512_maskz_loadu_ps(low, at));
    _mm512_storeu_ps(to + 16, _mm512_maskz_loadu_ps(high, at + 64));
  }
}
#define CK_MASK_TYPE uint16_t
#define CK_MASK_ELEMENT 4
#define CK_MASK_LOAD(p, bits) _mm512_maskz_expand_epi32(bits, _mm512_loadu_si512(p))
#include "matmul/mask_vector_avx512.inc.h"
#include "matmul/tile_masked_avx512.inc.h"
CK_TARGET_END

const ck_matmul_kernel ck_matmul_f32_avx512 = {
    .mr = CK_MR,
    .nr = CK_NR,
    .kgroup = 1,
    .a_bytes = 4,
    .unit = 1,
    .unit_bytes = CK_UNIT_BYTES,
    .sums = CK_F32,
    .rate = 45,
    .pack_a = {[CK_F32] = pack_a},
    .pack_b = pack_b,
    .tile = ck_tile,
    .masked = ck_tile_masked,
    .expanding = ck_tile_expanding,
    .masked_needs = CK_ISA_AVX512,
};
#endif
