// Packing of A of bf16, and of f32 that is rounded, as tiles of AMX. vcvtne2ps2bf16 takes denormals for zero, which the
// products do anyway, but for those that would round up to 2^-126. Include after matmul/amx.inc.h.
#include "matmul/words_avx512.inc.h"

// (low[j], high[j]) rounded, side by side.
CK_INLINE __m512i ck_round_pairs(__m512 low, __m512 high) {
  const __m512i both = (__m512i)_mm512_cvtne2ps_pbh(high, low); // low below
  const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21,
                                         5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
  return _mm512_permutexvar_epi16(order, both);
}

// A in [k, m], `element` bytes each: 16 rows by 16 pairs of steps at a time, turned over.
CK_INLINE void ck_pack_a_turned(char *panel, const char *at, size_t step, size_t rows, size_t depth,
                                const size_t element) {
  for (size_t k = 0; k < depth; k += 32, at += 32 * step, panel += rows * 64)
    for (size_t i = 0; i < rows; i += 16) {
      const __mmask16 mask = ck_mask16(rows - i);
      const char *from = at + i * element;
      __m512i r[16];
#pragma clang loop unroll(full)
      for (size_t p = 0; p < 16; p++) {
        const __mmask16 low = k + 2 * p < depth ? mask : 0, high = k + 2 * p + 1 < depth ? mask : 0;
        const char *first = low ? from + 2 * p * step : from, *second = high ? from + (2 * p + 1) * step : from;
        r[p] = element == 2 ? ck_pair(_mm256_maskz_loadu_epi16(low, first), _mm256_maskz_loadu_epi16(high, second))
                            : ck_round_pairs(_mm512_maskz_loadu_ps(low, first), _mm512_maskz_loadu_ps(high, second));
      }
      ck_transpose16(r);
#pragma clang loop unroll(full)
      for (size_t j = 0; j < 16; j++)
        if (i + j < rows) _mm512_store_si512(panel + (i + j) * 64, r[j]);
    }
}

static void ck_pack_a_amx(void *panel, void *extra, const ck_matmul_source *source, size_t first, size_t rows,
                          size_t from, size_t depth) {
  const char *at = source->data + first * source->stride + from * source->k_stride;
  if (source->k_stride == 2)
    ck_pack_a_tiles(panel, at, source->stride, rows, depth * 2);
  else
    ck_pack_a_turned(panel, at, source->k_stride, rows, depth, 2);
}

static void ck_pack_a_amx_f32(void *panel, void *extra, const ck_matmul_source *source, size_t first, size_t rows,
                              size_t from, size_t depth) {
  const char *at = source->data + first * source->stride + from * source->k_stride;
  if (source->k_stride != 4) return ck_pack_a_turned(panel, at, source->k_stride, rows, depth, 4);
  for (size_t i = 0; i < rows; i++, at += source->stride) {
    char *to = (char *)panel + i * 64;
    for (size_t k = 0; k < depth; k += 32, to += rows * 64) {
      const size_t left = depth - k;
      const __m512 low = _mm512_maskz_loadu_ps(ck_mask16(left), at + k * 4);
      const __m512 high = _mm512_maskz_loadu_ps(ck_mask16(left > 16 ? left - 16 : 0), at + k * 4 + 64);
      _mm512_store_si512(to, (__m512i)_mm512_cvtne2ps_pbh(high, low));
    }
  }
}
