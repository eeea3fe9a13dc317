// Packing of A as K-groups of four bytes, for vpdpbusd. Every byte is xored with `flip`: 0x80 makes it a + 128. Include
// after matmul/dwords_avx512.inc.h.
#include "quantize/scale.h"

// Four steps of K, 16 columns in each 128-bit lane -> r[q]: columns 4q ..< 4q + 4 of each lane, their four steps side
// by side.
CK_INLINE void ck_interleave4(__m256i r[4]) {
  const __m256i low01 = _mm256_unpacklo_epi8(r[0], r[1]), high01 = _mm256_unpackhi_epi8(r[0], r[1]);
  const __m256i low23 = _mm256_unpacklo_epi8(r[2], r[3]), high23 = _mm256_unpackhi_epi8(r[2], r[3]);
  r[0] = _mm256_unpacklo_epi16(low01, low23), r[1] = _mm256_unpackhi_epi16(low01, low23);
  r[2] = _mm256_unpacklo_epi16(high01, high23), r[3] = _mm256_unpackhi_epi16(high01, high23);
}

// A of bytes, [m, k] or [k, m].
CK_INLINE void ck_pack_a_bytes(void *panel, const ck_matmul_source *source, size_t first, size_t rows, size_t from,
                               size_t depth, uint8_t flip) {
  const __m512i flips = _mm512_set1_epi8((char)flip);
  const char *at = source->data + first * source->stride + from * source->k_stride;
  if (source->k_stride == 1) return ck_pack_a_rows(panel, at, source->stride, rows, depth, flips);
  // Two K-groups at a time, one in each 128-bit lane.
  const __mmask16 mask = ck_mask16(rows);
  const size_t step = source->k_stride;
  char *to = panel;
  for (size_t k = 0; k < depth; k += 8, at += 8 * step, to += 2 * rows * 4) {
    __m256i r[4];
    for (size_t s = 0; s < 4; s++) {
      const __m128i low = _mm_maskz_loadu_epi8(k + s < depth ? mask : 0, at + s * step);
      const __m128i high = _mm_maskz_loadu_epi8(k + s + 4 < depth ? mask : 0, at + (s + 4) * step);
      r[s] = _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1);
    }
    ck_interleave4(r);
    const __m512i a = _mm512_inserti64x4(_mm512_castsi256_si512(r[0]), r[1], 1); // groups 0, 1, 0, 1 of rows 0, 0, 4, 4
    const __m512i b = _mm512_inserti64x4(_mm512_castsi256_si512(r[2]), r[3], 1);
    _mm512_storeu_si512(to, _mm512_xor_si512(_mm512_shuffle_i32x4(a, b, 0x88), flips));
    if (k + 4 < depth) _mm512_storeu_si512(to + rows * 4, _mm512_xor_si512(_mm512_shuffle_i32x4(a, b, 0xdd), flips));
  }
}

// As ck_quantize_rows_s8 does: 1 for a row of zeros, NaN for one that is not finite.
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
