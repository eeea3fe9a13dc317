// Products of 16-bit floats in f32 arithmetic on AVX2, as wide_avx512.inc.h. Before including define what
// wide_a_avx2.inc.h asks for.
#define CK_UNIT_BYTES 32
CK_INLINE __m256i ck_load_b(const char *p, size_t v) {
  return _mm256_castps_si256(ck_widen8(_mm_loadu_si128((const __m128i *)(p + 16 * v))));
}
CK_INLINE __m256i ck_dot(__m256i sum, __m256i a, __m256i b) {
  return _mm256_castps_si256(_mm256_fmadd_ps(_mm256_castsi256_ps(a), _mm256_castsi256_ps(b), _mm256_castsi256_ps(sum)));
}
#include "matmul/tile_avx2.inc.h"
#include "matmul/wide_a_avx2.inc.h"

static void expand(void *to, const void *panel, size_t units) {
  const char *from = panel;
  char *wide = to;
  for (size_t u = 0; u < units; u++, from += CK_UNIT_BYTES, wide += 2 * CK_UNIT_BYTES) {
    __builtin_prefetch(from + 1024);
    _mm256_storeu_si256((__m256i *)wide, ck_load_b(from, 0));
    _mm256_storeu_si256((__m256i *)(wide + 32), ck_load_b(from, 1));
  }
}

// B in [n, k]: eight columns by eight steps of K, transposed as 16-bit units.
CK_INLINE void ck_pack_b_columns(char *to, const char *at, size_t stride, size_t columns, size_t depth) {
  for (size_t k = 0; k < depth; k += 8, at += 16, to += 8 * CK_UNIT_BYTES) {
    const size_t steps = ck_min(8, depth - k);
    __m128i r[8], t[8];
    for (size_t j = 0; j < 8; j++) r[j] = j < columns ? ck_halves8(at + j * stride, steps) : _mm_setzero_si128();
    for (size_t j = 0; j < 8; j += 2) {
      t[j] = _mm_unpacklo_epi16(r[j], r[j + 1]);
      t[j + 1] = _mm_unpackhi_epi16(r[j], r[j + 1]);
    }
    for (size_t j = 0; j < 8; j += 4)
      for (size_t i = 0; i < 2; i++) {
        r[j + 2 * i] = _mm_unpacklo_epi32(t[j + i], t[j + i + 2]);
        r[j + 2 * i + 1] = _mm_unpackhi_epi32(t[j + i], t[j + i + 2]);
      }
    for (size_t i = 0; i < 4; i++) {
      t[2 * i] = _mm_unpacklo_epi64(r[i], r[i + 4]);
      t[2 * i + 1] = _mm_unpackhi_epi64(r[i], r[i + 4]);
    }
    for (size_t s = 0; s < steps; s++) _mm_storeu_si128((__m128i *)(to + s * CK_UNIT_BYTES), t[s]);
  }
}

static void pack_b(void *panel, void *extra, const ck_matmul_source *source, size_t first, size_t columns, size_t from,
                   size_t depth) {
  const char *at = source->data + first * source->stride + from * source->k_stride;
  const size_t low = ck_min(columns, 8), high = columns - low;
  char *to = panel;
  if (source->k_stride == 2) {
    ck_pack_b_columns(to, at, source->stride, low, depth);
    ck_pack_b_columns(to + 16, at + 8 * source->stride, source->stride, high, depth);
    return;
  }
  for (size_t k = 0; k < depth; k++, at += source->k_stride, to += CK_UNIT_BYTES) {
    _mm_storeu_si128((__m128i *)to, ck_halves8(at, low));
    _mm_storeu_si128((__m128i *)(to + 16), ck_halves8(at + (high ? 16 : 0), high));
  }
}

extern const ck_matmul_kernel ck_matmul_f32_avx2;
