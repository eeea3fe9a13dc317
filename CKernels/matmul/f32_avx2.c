// f32 on AVX2 and FMA: one chain of vfmadd231ps an element.
#include "matmul/types.h"
#if defined(__x86_64__)
#include "runtime/target.h"
#include <immintrin.h>
CK_TARGET_BEGIN(CK_TARGET_AVX2)
#define CK_UNIT_BYTES 64
CK_INLINE __m256i ck_load_b(const char *p, size_t v) { return _mm256_loadu_si256((const __m256i *)(p + 32 * v)); }
CK_INLINE __m256i ck_dot(__m256i sum, __m256i a, __m256i b) {
  return _mm256_castps_si256(_mm256_fmadd_ps(_mm256_castsi256_ps(a), _mm256_castsi256_ps(b), _mm256_castsi256_ps(sum)));
}
#include "matmul/tile_avx2.inc.h"

static void pack_a(void *panel, void *extra, const ck_matmul_source *source, size_t first, size_t rows, size_t from,
                   size_t depth) {
  const char *at = source->data + first * source->stride + from * source->k_stride;
  if (source->k_stride == sizeof(float))
    return ck_pack_a_rows(panel, at, source->stride, rows, depth * sizeof(float), sizeof(float), ck_units8_f32);
  const __m256i mask = ck_mask8(rows);
  float *to = panel;
  for (size_t k = 0; k < depth; k++, at += source->k_stride, to += rows)
    _mm256_storeu_ps(to, _mm256_maskload_ps((const float *)at, mask));
}

static void pack_b(void *panel, void *extra, const ck_matmul_source *source, size_t first, size_t columns, size_t from,
                   size_t depth) {
  const char *at = source->data + first * source->stride + from * source->k_stride;
  if (source->k_stride == sizeof(float))
    return ck_pack_b_rows(panel, at, source->stride, columns, depth * sizeof(float), sizeof(float), ck_units8_f32);
  const __m256i low = ck_mask8(columns), high = ck_mask8(columns > 8 ? columns - 8 : 0);
  float *to = panel;
  for (size_t k = 0; k < depth; k++, at += source->k_stride, to += CK_NR) {
    _mm256_storeu_ps(to, _mm256_maskload_ps((const float *)at, low));
    _mm256_storeu_ps(to + 8, _mm256_maskload_ps((const float *)at + 8, high));
  }
}
CK_TARGET_END

const ck_matmul_kernel ck_matmul_f32_avx2 = {
    .mr = CK_MR,
    .nr = CK_NR,
    .kgroup = 1,
    .a_bytes = 4,
    .unit = 1,
    .unit_bytes = CK_UNIT_BYTES,
    .sums = CK_F32,
    .rate = 25,
    .pack_a = {[CK_F32] = pack_a},
    .pack_b = pack_b,
    .tile = ck_tile,
};
#endif
