// A in f32 times 8-bit weights on AVX2: a unit is one step of K of 16 columns, which become f32 in registers, or once
// in a panel of f32 when there are many rows of A. Include inside CK_TARGET_BEGIN(...).
#define CK_UNIT_BYTES 16
CK_INLINE __m256i ck_load_b(const char *p, size_t v) {
  return _mm256_castps_si256(_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(p + 8 * v)))));
}
CK_INLINE __m256i ck_dot(__m256i sum, __m256i a, __m256i b) {
  return _mm256_castps_si256(_mm256_fmadd_ps(_mm256_castsi256_ps(a), _mm256_castsi256_ps(b), _mm256_castsi256_ps(sum)));
}
#include "matmul/tile_avx2.inc.h"

static void expand(void *to, const void *panel, size_t units) {
  const char *from = panel;
  float *wide = to;
  for (size_t u = 0; u < units; u++, from += CK_UNIT_BYTES, wide += CK_NR) {
    __builtin_prefetch(from + 512);
    _mm256_storeu_si256((__m256i *)wide, ck_load_b(from, 0));
    _mm256_storeu_si256((__m256i *)(wide + 8), ck_load_b(from, 1));
  }
}

static void pack_b(void *panel, void *extra, const ck_matmul_source *source, size_t first, size_t columns, size_t from,
                   size_t depth) {
  const char *at = source->data + first * source->stride + from * source->k_stride;
  char *to = panel;
  for (size_t k = 0; k < depth; k++, at += source->k_stride, to += CK_NR)
    for (size_t j = 0; j < CK_NR; j++) to[j] = j < columns ? at[j * source->stride] : 0;
}

extern const ck_matmul_kernel ck_matmul_f32_avx2;
