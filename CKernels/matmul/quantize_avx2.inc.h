// A in f32 that becomes s8 while it is packed, on AVX2: pairs widened to s16. Include after matmul/tile_avx2.inc.h,
// inside CK_TARGET_BEGIN(...).
#include "quantize/scale.h"

// As ck_quantize_rows_s8 does: 1 for a row of zeros, NaN for one that is not finite.
static float row_scale(const float *row, size_t k) {
  const __m256i magnitude = _mm256_set1_epi32(0x7fffffff);
  __m256i greatest[4] = {_mm256_setzero_si256(), _mm256_setzero_si256(), _mm256_setzero_si256(),
                         _mm256_setzero_si256()};
  size_t i = 0;
  for (; i + 32 <= k; i += 32)
#pragma clang loop unroll(full)
    for (size_t v = 0; v < 4; v++) {
      const __m256i x = _mm256_loadu_si256((const __m256i *)(row + i + v * 8));
      greatest[v] = _mm256_max_epi32(greatest[v], _mm256_and_si256(magnitude, x));
    }
  for (; i < k; i += 8) {
    const __m256i x = _mm256_maskload_epi32((const int *)row + i, ck_mask8(k - i));
    greatest[0] = _mm256_max_epi32(greatest[0], _mm256_and_si256(magnitude, x));
  }
  const __m256i all =
      _mm256_max_epi32(_mm256_max_epi32(greatest[0], greatest[1]), _mm256_max_epi32(greatest[2], greatest[3]));
  __m128i most = _mm_max_epi32(_mm256_castsi256_si128(all), _mm256_extracti128_si256(all, 1));
  most = _mm_max_epi32(most, _mm_shuffle_epi32(most, 0x4e));
  most = _mm_max_epi32(most, _mm_shuffle_epi32(most, 0xb1));
  return ck_quantization_scale(_mm_cvtsi128_si32(most));
}

// 8 floats of a row, scaled by `inverse` and rounded half to even.
CK_INLINE __m256i quantize8(const float *at, size_t count, __m256 inverse) {
  const __m256 x = count >= 8 ? _mm256_loadu_ps(at) : _mm256_maskload_ps(at, ck_mask8(count));
  return _mm256_cvtps_epi32(_mm256_mul_ps(x, inverse));
}

static void quantize_a(void *panel, void *extra, const ck_matmul_source *source, size_t first, size_t rows, size_t from,
                       size_t depth) {
  const float *at = (const float *)(source->data + first * source->stride) + from;
  // Row after row into a strip of s8, which is then packed as s8 are.
  enum { STRIP = 256, PAIR = 2 };
  _Alignas(32) char strip[CK_MR * STRIP];
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  char *to = panel;
  for (size_t k = 0; k < depth; k += STRIP) {
    const size_t steps = ck_min(STRIP, depth - k);
    for (size_t i = 0; i < rows; i++) {
      const float scale = ck_quantization_inverse(source->scales[i]);
      const __m256 inverse = _mm256_set1_ps(scale);
      const float *row = (const float *)((const char *)at + i * source->stride) + k;
      if (scale == 0) { // not finite, and 0 * infinity is not 0
        memset(strip + i * STRIP, 0, steps);
        continue;
      }
      for (size_t s = 0; s < steps; s += 32) {
        __m256i q[4];
#pragma clang loop unroll(full)
        for (size_t v = 0; v < 4; v++)
          q[v] = s + 8 * v < steps ? quantize8(row + s + 8 * v, steps - s - 8 * v, inverse) : _mm256_setzero_si256();
        const __m256i bytes = _mm256_packs_epi16(_mm256_packs_epi32(q[0], q[1]), _mm256_packs_epi32(q[2], q[3]));
        _mm256_store_si256((__m256i *)(strip + i * STRIP + s), _mm256_permutevar8x32_epi32(bytes, order));
      }
    }
    ck_pack_a_rows(to, strip, STRIP, rows, steps, PAIR, ck_units8_s8);
    to += rows * ck_round_up(steps, PAIR) * 2;
  }
}
