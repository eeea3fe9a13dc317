// Packing of rows of A as K-groups of four s8, for vpdpbusd. Every byte is xored with `flip`: 0x80 makes it a + 128.
// Include after dwords_avx512.inc.h.
#include "quantize/scale.h"

CK_INLINE void ck_pack_s8(void *panel, const ck_matmul_source *source, size_t first, size_t rows, size_t from,
                          size_t depth, uint8_t flip) {
  const char *at = source->data + first * source->stride + from * source->k_stride;
  if (source->k_stride == 1)
    return ck_pack_a_rows(panel, at, source->stride, rows, depth, _mm512_set1_epi8((char)flip));
  char *to = panel;
  for (size_t k = 0; k < ck_round_up(depth, 4); k++)
    for (size_t i = 0; i < rows; i++)
      to[k / 4 * rows * 4 + i * 4 + k % 4] =
          k < depth ? (char)(at[i * source->stride + k * source->k_stride] ^ flip) : 0;
}

// As ck_quantize_rows_f32_s8 does: 1 for a row of zeros, NaN for one that is not finite.
CK_INLINE float ck_s8_row_scale(const float *row, size_t k) {
  const __m512i magnitude = _mm512_set1_epi32(0x7fffffff);
  __m512i greatest[4] = {_mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512(),
                         _mm512_setzero_si512()};
  size_t i = 0;
  for (; i + 64 <= k; i += 64)
    for (size_t v = 0; v < 4; v++)
      greatest[v] = _mm512_max_epi32(greatest[v], _mm512_and_si512(magnitude, _mm512_loadu_si512(row + i + v * 16)));
  for (; i < k; i += 16)
    greatest[0] =
        _mm512_max_epi32(greatest[0], _mm512_and_si512(magnitude, _mm512_maskz_loadu_epi32(ck_mask16(k - i), row + i)));
  const int32_t bits = _mm512_reduce_max_epi32(
      _mm512_max_epi32(_mm512_max_epi32(greatest[0], greatest[1]), _mm512_max_epi32(greatest[2], greatest[3])));
  return ck_quantization_scale(bits);
}

// 16 floats of a row as s8 in the low half of a vector; scaled by `inverse`, rounded half to even.
CK_INLINE __m128i ck_quantize16(const char *at, __mmask16 mask, __m512 inverse) {
  const __m512 scaled = _mm512_mul_ps(_mm512_maskz_loadu_ps(mask, at), inverse);
  return _mm512_cvtsepi32_epi8(_mm512_cvtps_epi32(scaled));
}

// A in f32, quantized with its rows' scales.
CK_INLINE void ck_quantize_s8(void *panel, const ck_matmul_source *source, size_t first, size_t rows, size_t from,
                              size_t depth, uint8_t flip) {
  const char *at = source->data + first * source->stride + from * sizeof(float);
  // Row after row into a strip that is then packed as s8 are.
  enum { STRIP = 256 };
  _Alignas(64) char strip[16 * STRIP];
  char *to = panel;
  for (size_t k = 0; k < depth; k += STRIP, at += STRIP * sizeof(float)) {
    const size_t steps = ck_min(STRIP, depth - k);
    for (size_t i = 0; i < rows; i++) {
      const float scale = ck_quantization_inverse(source->scales[i]);
      const __m512 inverse = _mm512_set1_ps(scale);
      const char *row = at + i * source->stride;
      for (size_t s = 0; s < steps; s += 16)
        _mm_store_si128((__m128i *)(strip + i * STRIP + s),
                        ck_quantize16(row + s * sizeof(float), scale != 0 ? ck_mask16(steps - s) : 0, inverse));
    }
    ck_pack_a_rows(to, strip, STRIP, rows, steps, _mm512_set1_epi8((char)flip));
    to += rows * ck_round_up(steps, 4);
  }
}
