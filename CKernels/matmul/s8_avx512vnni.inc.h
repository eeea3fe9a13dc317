// Packing for products of s8 by vpdpbusd. Include after matmul/tile_avx512.inc.h.
#include "matmul/bytes_avx512.inc.h"
#include "quantize/scale.h"
enum { GROUP = 4 };

static void pack_a(void *panel, void *extra, const ck_matmul_source *source, size_t first, size_t rows, size_t from,
                   size_t depth) {
  ck_pack_a_bytes(panel, source, first, rows, from, depth, _mm512_set1_epi8((char)0x80));
}

// As ck_quantize_rows_f32_s8 does: 1 for a row of zeros, NaN for one that is not finite.
static float row_scale(const float *row, size_t k) {
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
CK_INLINE __m128i quantize16(const char *at, __mmask16 mask, __m512 inverse) {
  const __m512 scaled = _mm512_mul_ps(_mm512_maskz_loadu_ps(mask, at), inverse);
  return _mm512_cvtsepi32_epi8(_mm512_cvtps_epi32(scaled));
}

static void quantize_a(void *panel, void *extra, const ck_matmul_source *source, size_t first, size_t rows, size_t from,
                       size_t depth) {
  const char *at = source->data + first * source->stride + from * sizeof(float);
  const __m128i flip = _mm_set1_epi8((char)0x80);
  // Row after row into a strip that is then packed as s8 are.
  _Alignas(64) char strip[16 * 256];
  enum { STRIP = 256 };
  char *to = panel;
  for (size_t k = 0; k < depth; k += STRIP, at += STRIP * sizeof(float)) {
    const size_t steps = ck_min(STRIP, depth - k);
    for (size_t i = 0; i < rows; i++) {
      const float scale = ck_quantization_inverse(source->scales[i]);
      const __m512 inverse = _mm512_set1_ps(scale);
      const char *row = at + i * source->stride;
      for (size_t s = 0; s < steps; s += 16)
        _mm_store_si128((__m128i *)(strip + i * STRIP + s),
                        quantize16(row + s * sizeof(float), scale != 0 ? ck_mask16(steps - s) : 0, inverse));
    }
    ck_pack_a_rows(to, strip, STRIP, rows, steps, _mm512_broadcast_i32x4(flip));
    to += rows * ck_round_up(steps, GROUP);
  }
}

static void pack_b(void *panel, void *extra, const ck_matmul_source *source, size_t first, size_t columns, size_t from,
                   size_t depth) {
  const char *at = source->data + first * source->stride + from * source->k_stride;
  char *to = panel;
  __m512i low = _mm512_setzero_si512(), high = low;
  const __m512i one = _mm512_set1_epi8(1);
  enum { STRIP = 256 }; // summed while it is in L1
  for (size_t k = 0; k < depth; k += STRIP, at += STRIP * source->k_stride) {
    const size_t steps = ck_min(STRIP, depth - k);
    ck_pack_b_bytes(to, at, source->stride, source->k_stride, columns, steps);
    for (size_t g = 0; g < ck_ceil_div(steps, GROUP); g++, to += CK_NR * GROUP) {
      low = _mm512_dpbusd_epi32(low, one, _mm512_loadu_si512(to));
      high = _mm512_dpbusd_epi32(high, one, _mm512_loadu_si512(to + 64));
    }
  }
  _mm512_storeu_si512(extra, _mm512_sub_epi32(_mm512_setzero_si512(), _mm512_slli_epi32(low, 7)));
  _mm512_storeu_si512((char *)extra + 64, _mm512_sub_epi32(_mm512_setzero_si512(), _mm512_slli_epi32(high, 7)));
}
