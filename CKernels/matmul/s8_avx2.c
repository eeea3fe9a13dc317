// s8 x s8 -> s32 on AVX2, exact: both sides are widened to s16 when packed, and vpmaddwd adds two products in 32 bits.
// (vpmaddubsw would be twice as fast, and saturates: 255 * 127 * 2 does not fit s16.)
#if defined(__x86_64__)
#include "matmul/tile_rows.inc.h"
#include "matmul/types.h"
#include "runtime/target.h"
CK_TARGET_BEGIN(CK_TARGET_AVX2)
#include "matmul/dwords_avx2.inc.h"

enum { MR = 6, NR = 16, GROUP = 2 };

// One group of K: `vectors` vectors of B against `rows` pairs of A.
CK_INLINE void step(__m256i *sum, const char *a, const char *b, const size_t b_stride, const size_t rows,
                    const size_t vectors) {
  __m256i bv[2 * 4];
#pragma clang loop unroll(full)
  for (size_t v = 0; v < vectors; v++) bv[v] = _mm256_loadu_si256((const __m256i *)(b + v / 2 * b_stride + v % 2 * 32));
#pragma clang loop unroll(full)
  for (size_t i = 0; i < rows; i++) {
    int32_t unit;
    memcpy(&unit, a + i * 4, sizeof unit);
    const __m256i av = _mm256_set1_epi32(unit);
#pragma clang loop unroll(full)
    for (size_t v = 0; v < vectors; v++)
      sum[i * vectors + v] = _mm256_add_epi32(sum[i * vectors + v], _mm256_madd_epi16(av, bv[v]));
  }
}

CK_INLINE void tile_body(const ck_matmul_tile *tile, const size_t rows, const size_t panels) {
  __m256i sum[MR * 2];
  const size_t vectors = 2 * panels, b_stride = tile->b_stride;
  const char *a = tile->a, *b = tile->b;
#pragma clang loop unroll(full)
  for (size_t i = 0; i < rows * vectors; i++) sum[i] = _mm256_setzero_si256();
  ck_prefetch prefetch = ck_prefetch_start(tile);
  size_t g = 0;
#pragma clang loop unroll(disable)
  for (; g + CK_MATMUL_STEP <= tile->groups; g += CK_MATMUL_STEP) {
    ck_prefetch_step(&prefetch);
#pragma clang loop unroll(full)
    for (size_t u = 0; u < CK_MATMUL_STEP; u++, a += rows * 4, b += NR * 4) step(sum, a, b, b_stride, rows, vectors);
  }
#pragma clang loop unroll(disable)
  for (; g < tile->groups; g++, a += rows * 4, b += NR * 4) step(sum, a, b, b_stride, rows, vectors);
  const bool dequantize = tile->last && tile->row_scale;
#pragma clang loop unroll(full)
  for (size_t v = 0; v < vectors; v++) {
    const __m256i mask = ck_mask8(tile->columns > 8 * v ? tile->columns - 8 * v : 0);
    __m256 scale = _mm256_setzero_ps(), bias = _mm256_setzero_ps();
    if (dequantize) scale = _mm256_maskload_ps(tile->column_scale + 8 * v, mask);
    if (dequantize && tile->bias) bias = _mm256_maskload_ps(tile->bias + 8 * v, mask);
    int32_t *c = (int32_t *)tile->c + 8 * v;
#pragma clang loop unroll(full)
    for (size_t i = 0; i < rows; i++, c += tile->c_stride) {
      __m256i s = sum[i * vectors + v];
      if (!tile->first) s = _mm256_add_epi32(s, _mm256_maskload_epi32(c, mask));
      if (dequantize) {
        const __m256 both = _mm256_mul_ps(_mm256_set1_ps(tile->row_scale[i]), scale);
        s = _mm256_castps_si256(_mm256_fmadd_ps(_mm256_cvtepi32_ps(s), both, bias));
      }
      _mm256_maskstore_epi32(c, mask, s);
    }
  }
}

static void tile(const ck_matmul_tile *tile) {
  switch (CK_TILE_KEY(tile, NR)) { CK_TILE_CASES_6(tile_body) }
}

static void pack_a(void *panel, const void *source, size_t stride, size_t k_stride, size_t rows, size_t depth) {
  ck_pack_rows8(panel, rows, source, stride, rows, 1, depth);
}

static void pack_b(void *panel, const void *source, size_t stride, size_t k_stride, size_t columns, size_t depth) {
  const char *from = source;
  const size_t low = ck_min(columns, 8), high = columns - low;
  if (k_stride == 1) {
    ck_pack_rows8(panel, NR, from, stride, low, 1, depth);
    ck_pack_rows8((int32_t *)panel + 8, NR, from + low * stride, stride, high, 1, depth);
    return;
  }
  int16_t *to = panel;
  memset(panel, 0, ck_ceil_div(depth, GROUP) * NR * 4);
  for (size_t k = 0; k < depth; k++)
    for (size_t j = 0; j < columns; j++)
      to[k / GROUP * NR * GROUP + j * GROUP + k % GROUP] = (int8_t)from[j * stride + k * k_stride];
}
CK_TARGET_END

const ck_matmul_kernel ck_matmul_s8_avx2 = {
    .element = 1,
    .mr = MR,
    .nr = NR,
    .kgroup = GROUP,
    .a_bytes = 2,
    .b_bytes = 2,
    .rate = 40,
    .pack_a = pack_a,
    .pack_b = pack_b,
    .tile = tile,
};
#endif
