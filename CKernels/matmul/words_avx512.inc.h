// Packing of 16-bit elements as K-groups of two, which vdpbf16ps multiplies. Include after matmul/dwords_avx512.inc.h.
#include "matmul/halves_avx512.inc.h"

// f32 -> bf16 in the low halves of lanes.
CK_INLINE __m512i ck_narrow16(__m512 x) { return _mm512_srli_epi32((__m512i)vround_bf16((vfloat)x), 16); }

// Two rows of 16 words -> pairs (low[j], high[j]).
CK_INLINE __m512i ck_pair(__m256i low, __m256i high) {
  return _mm512_or_si512(_mm512_cvtepu16_epi32(low), _mm512_slli_epi32(_mm512_cvtepu16_epi32(high), 16));
}

// A in [k, m]: two steps of K side by side.
CK_INLINE void ck_pack_a_words(void *panel, const char *at, size_t step, size_t rows, size_t depth) {
  const __mmask16 mask = ck_mask16(rows);
  int32_t *to = panel;
  for (size_t k = 0; k < depth; k += 2, at += 2 * step, to += rows) {
    const __m256i low = _mm256_maskz_loadu_epi16(mask, at);
    const __m256i high = _mm256_maskz_loadu_epi16(k + 1 < depth ? mask : 0, at + (k + 1 < depth ? step : 0));
    _mm512_storeu_si512(to, ck_pair(low, high));
  }
}

// The same from f32, rounded.
CK_INLINE void ck_pack_a_words_f32(void *panel, const char *at, size_t step, size_t rows, size_t depth) {
  const __mmask16 mask = ck_mask16(rows);
  int32_t *to = panel;
  for (size_t k = 0; k < depth; k += 2, at += 2 * step, to += rows) {
    const __m512i low = ck_narrow16(_mm512_maskz_loadu_ps(mask, at));
    const __m512i high = ck_narrow16(_mm512_maskz_loadu_ps(k + 1 < depth ? mask : 0, at + (k + 1 < depth ? step : 0)));
    _mm512_storeu_si512(to, _mm512_or_si512(low, _mm512_slli_epi32(high, 16)));
  }
}

// A in f32, [m, k]: rounded into a strip that is then packed as bf16 are.
CK_INLINE void ck_pack_a_narrowed(void *panel, const char *at, size_t stride, size_t rows, size_t depth) {
  enum { STRIP = 128 };
  _Alignas(64) uint16_t strip[16 * STRIP];
  int32_t *to = panel;
  for (size_t k = 0; k < depth; k += STRIP, at += STRIP * sizeof(float)) {
    const size_t steps = ck_min(STRIP, depth - k);
    for (size_t i = 0; i < rows; i++)
      for (size_t s = 0; s < steps; s += 16) {
        const __m512 x = _mm512_maskz_loadu_ps(ck_mask16(steps - s), at + i * stride + s * sizeof(float));
        _mm256_store_si256((__m256i *)(strip + i * STRIP + s), _mm512_cvtepi32_epi16(ck_narrow16(x)));
      }
    ck_pack_a_rows(to, (const char *)strip, STRIP * 2, rows, steps * 2, _mm512_setzero_si512());
    to += rows * ck_ceil_div(steps, 2);
  }
}

// B in [k, n].
CK_INLINE void ck_pack_b_words(void *panel, const char *at, size_t step, size_t columns, size_t depth) {
  const __mmask16 low = ck_mask16(columns), high = ck_mask16(columns > 16 ? columns - 16 : 0);
  char *to = panel;
  for (size_t k = 0; k < depth; k += 2, at += 2 * step, to += 128) {
    const bool pair = k + 1 < depth;
    const char *next = at + (pair ? step : 0);
    const __m256i a0 = _mm256_maskz_loadu_epi16(low, at), a1 = _mm256_maskz_loadu_epi16(pair ? low : 0, next);
    const __m256i b0 = _mm256_maskz_loadu_epi16(high, at + 32),
                  b1 = _mm256_maskz_loadu_epi16(pair ? high : 0, next + 32);
    _mm512_storeu_si512(to, ck_pair(a0, a1));
    _mm512_storeu_si512(to + 64, ck_pair(b0, b1));
  }
}

// A of bf16, and of f32 that is rounded, both in any orientation.
CK_INLINE void ck_pack_a_bf16(void *panel, const ck_matmul_source *source, size_t first, size_t rows, size_t from,
                              size_t depth) {
  const char *at = source->data + first * source->stride + from * source->k_stride;
  if (source->k_stride == 2)
    ck_pack_a_rows(panel, at, source->stride, rows, depth * 2, _mm512_setzero_si512());
  else
    ck_pack_a_words(panel, at, source->k_stride, rows, depth);
}
CK_INLINE void ck_pack_a_bf16_from_f32(void *panel, const ck_matmul_source *source, size_t first, size_t rows,
                                       size_t from, size_t depth) {
  const char *at = source->data + first * source->stride + from * source->k_stride;
  if (source->k_stride == 4)
    ck_pack_a_narrowed(panel, at, source->stride, rows, depth);
  else
    ck_pack_a_words_f32(panel, at, source->k_stride, rows, depth);
}
