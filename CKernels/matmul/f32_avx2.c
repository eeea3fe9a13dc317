// f32 on AVX2 and FMA: 6 x 16. Twelve sums, two vectors of B and a broadcast of A.
#if defined(__x86_64__)
#include "matmul/tile_rows.inc.h"
#include "matmul/types.h"
#include "runtime/target.h"
CK_TARGET_BEGIN(CK_TARGET_AVX2)
#include "matmul/dwords_avx2.inc.h"

enum { MR = 6, NR = 16 };

// One step of K: `vectors` vectors of B against `rows` elements of A.
CK_INLINE void step(__m256 *sum, const float *a, const float *b, const size_t b_stride, const size_t rows,
                    const size_t vectors) {
  __m256 bv[2 * 4];
#pragma clang loop unroll(full)
  for (size_t v = 0; v < vectors; v++) bv[v] = _mm256_loadu_ps(b + v / 2 * b_stride + v % 2 * 8);
#pragma clang loop unroll(full)
  for (size_t i = 0; i < rows; i++) {
    const __m256 av = _mm256_broadcast_ss(a + i);
#pragma clang loop unroll(full)
    for (size_t v = 0; v < vectors; v++) sum[i * vectors + v] = _mm256_fmadd_ps(av, bv[v], sum[i * vectors + v]);
  }
}

CK_INLINE void tile_body(const ck_matmul_tile *tile, const size_t rows, const size_t panels) {
  __m256 sum[MR * 2];
  const size_t vectors = 2 * panels, c_stride = tile->c_stride, b_stride = tile->b_stride / sizeof(float);
  const float *a = tile->a, *b = tile->b;
  float *c = tile->c;
#pragma clang loop unroll(full)
  for (size_t v = 0; v < vectors; v++) {
    const __m256i mask = ck_mask8(tile->columns > 8 * v ? tile->columns - 8 * v : 0);
#pragma clang loop unroll(full)
    for (size_t i = 0; i < rows; i++)
      sum[i * vectors + v] = tile->first ? _mm256_setzero_ps() : _mm256_maskload_ps(c + i * c_stride + 8 * v, mask);
  }
  ck_prefetch prefetch = ck_prefetch_start(tile);
  size_t k = 0;
#pragma clang loop unroll(disable)
  for (; k + CK_MATMUL_STEP <= tile->groups; k += CK_MATMUL_STEP) {
    ck_prefetch_step(&prefetch);
#pragma clang loop unroll(full)
    for (size_t u = 0; u < CK_MATMUL_STEP; u++, a += rows, b += NR) step(sum, a, b, b_stride, rows, vectors);
  }
#pragma clang loop unroll(disable)
  for (; k < tile->groups; k++, a += rows, b += NR) step(sum, a, b, b_stride, rows, vectors);
#pragma clang loop unroll(full)
  for (size_t v = 0; v < vectors; v++) {
    const __m256i mask = ck_mask8(tile->columns > 8 * v ? tile->columns - 8 * v : 0);
    if (tile->last && tile->bias) {
      const __m256 bias = _mm256_maskload_ps(tile->bias + 8 * v, mask);
#pragma clang loop unroll(full)
      for (size_t i = 0; i < rows; i++) sum[i * vectors + v] = _mm256_add_ps(sum[i * vectors + v], bias);
    }
#pragma clang loop unroll(full)
    for (size_t i = 0; i < rows; i++) _mm256_maskstore_ps(c + i * c_stride + 8 * v, mask, sum[i * vectors + v]);
  }
}

static void tile(const ck_matmul_tile *tile) {
  switch (CK_TILE_KEY(tile, NR)) { CK_TILE_CASES_6(tile_body) }
}

static void pack_a(void *panel, const void *source, size_t stride, size_t k_stride, size_t rows, size_t depth) {
  const char *from = source;
  float *to = panel;
  if (k_stride == sizeof(float)) return ck_pack_rows8(panel, rows, from, stride, rows, 4, depth);
  const __m256i mask = ck_mask8(rows);
  for (size_t k = 0; k < depth; k++, from += k_stride, to += rows)
    _mm256_storeu_ps(to, _mm256_maskload_ps((const float *)from, mask));
}

static void pack_b(void *panel, const void *source, size_t stride, size_t k_stride, size_t columns, size_t depth) {
  const char *from = source;
  float *to = panel;
  const size_t low = ck_min(columns, 8), high = columns - low;
  if (k_stride == sizeof(float)) {
    ck_pack_rows8(panel, NR, from, stride, low, 4, depth);
    ck_pack_rows8((int32_t *)panel + 8, NR, from + low * stride, stride, high, 4, depth);
    return;
  }
  const __m256i first = ck_mask8(low), second = ck_mask8(high);
  for (size_t k = 0; k < depth; k++, from += k_stride, to += NR) {
    _mm256_storeu_ps(to, _mm256_maskload_ps((const float *)from, first));
    _mm256_storeu_ps(to + 8, _mm256_maskload_ps((const float *)from + 8, second));
  }
}
CK_TARGET_END

const ck_matmul_kernel ck_matmul_f32_avx2 = {
    .element = 4,
    .mr = MR,
    .nr = NR,
    .kgroup = 1,
    .a_bytes = 4,
    .b_bytes = 4,
    .rate = 25,
    .pack_a = pack_a,
    .pack_b = pack_b,
    .tile = tile,
};
#endif
