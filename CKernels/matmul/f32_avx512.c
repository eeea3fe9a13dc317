// f32 on AVX-512: 14 x 32. 28 sums, two vectors of B and two broadcasts of A fill the 32 registers; per step of K
// 16 loads feed 28 multiply-adds, so that neither the load ports nor the latency of the chains is the limit.
#if defined(__x86_64__)
#include "matmul/tile_rows.inc.h"
#include "matmul/types.h"
#include "runtime/target.h"
CK_TARGET_BEGIN(CK_TARGET_AVX512)
#include "matmul/dwords_avx512.inc.h"

enum { MR = 14, NR = 32 };

// One step of K: 2 * panels vectors of B against `rows` elements of A.
CK_INLINE void step(__m512 *sum, const float *a, const float *b, const size_t b_stride, const size_t rows,
                    const size_t panels) {
  __m512 bv[2 * 8];
#pragma clang loop unroll(full)
  for (size_t v = 0; v < 2 * panels; v++) bv[v] = _mm512_loadu_ps(b + v / 2 * b_stride + v % 2 * 16);
#pragma clang loop unroll(full)
  for (size_t i = 0; i < rows; i++) {
    const __m512 av = _mm512_set1_ps(a[i]);
#pragma clang loop unroll(full)
    for (size_t v = 0; v < 2 * panels; v++)
      sum[i * 2 * panels + v] = _mm512_fmadd_ps(av, bv[v], sum[i * 2 * panels + v]);
  }
}

CK_INLINE void tile_body(const ck_matmul_tile *tile, const size_t rows, const size_t panels) {
  __m512 sum[MR * 2];
  __mmask16 mask[2 * 8];
#pragma clang loop unroll(full)
  for (size_t v = 0; v < 2 * panels; v++)
    mask[v] = v + 2 < 2 * panels ? 0xffff : ck_mask16(tile->columns > 16 * v ? tile->columns - 16 * v : 0);
  float *c = tile->c;
  const size_t c_stride = tile->c_stride;
#pragma clang loop unroll(full)
  for (size_t i = 0; i < rows; i++)
#pragma clang loop unroll(full)
    for (size_t v = 0; v < 2 * panels; v++) sum[i * 2 * panels + v] = _mm512_setzero_ps();
  if (!tile->first)
#pragma clang loop unroll(full)
    for (size_t i = 0; i < rows; i++)
#pragma clang loop unroll(full)
      for (size_t v = 0; v < 2 * panels; v++)
        sum[i * 2 * panels + v] = _mm512_maskz_loadu_ps(mask[v], c + i * c_stride + 16 * v);
  const float *a = tile->a, *b = tile->b;
  const size_t b_stride = tile->b_stride / sizeof(float);
  ck_prefetch prefetch = ck_prefetch_start(tile);
  size_t k = 0;
#pragma clang loop unroll(disable)
  for (; k + CK_MATMUL_STEP <= tile->groups; k += CK_MATMUL_STEP) {
    ck_prefetch_step(&prefetch);
#pragma clang loop unroll(full)
    for (size_t u = 0; u < CK_MATMUL_STEP; u++, a += rows, b += NR) step(sum, a, b, b_stride, rows, panels);
  }
#pragma clang loop unroll(disable)
  for (; k < tile->groups; k++, a += rows, b += NR) step(sum, a, b, b_stride, rows, panels);
  if (tile->last && tile->bias)
#pragma clang loop unroll(full)
    for (size_t v = 0; v < 2 * panels; v++) {
      const __m512 bias = _mm512_maskz_loadu_ps(mask[v], tile->bias + 16 * v);
#pragma clang loop unroll(full)
      for (size_t i = 0; i < rows; i++) sum[i * 2 * panels + v] = _mm512_add_ps(sum[i * 2 * panels + v], bias);
    }
#pragma clang loop unroll(full)
  for (size_t i = 0; i < rows; i++)
#pragma clang loop unroll(full)
    for (size_t v = 0; v < 2 * panels; v++)
      _mm512_mask_storeu_ps(c + i * c_stride + 16 * v, mask[v], sum[i * 2 * panels + v]);
}

static void tile(const ck_matmul_tile *tile) {
  switch (CK_TILE_KEY(tile, NR)) { CK_TILE_CASES_14(tile_body) }
}

static void pack_a(void *panel, const void *source, size_t stride, size_t k_stride, size_t rows, size_t depth) {
  float *to = panel;
  if (k_stride == sizeof(float)) {
    if (rows == MR) return ck_pack_rows16(panel, MR, source, stride, MR, depth * 4, _mm512_setzero_si512());
    return ck_pack_rows16(panel, rows, source, stride, rows, depth * 4, _mm512_setzero_si512());
  }
  const __mmask16 mask = ck_mask16(rows);
  const char *from = source;
  for (size_t k = 0; k < depth; k++, from += k_stride, to += rows)
    _mm512_storeu_ps(to, _mm512_maskz_loadu_ps(mask, from));
}

static void pack_b(void *panel, const void *source, size_t stride, size_t k_stride, size_t columns, size_t depth) {
  float *to = panel;
  if (k_stride == sizeof(float)) {
    const char *from = source;
    const __m512i none = _mm512_setzero_si512();
    if (columns >= 16)
      ck_pack_rows16(panel, NR, from, stride, 16, depth * 4, none);
    else
      ck_pack_rows16(panel, NR, from, stride, columns, depth * 4, none);
    if (columns == NR)
      ck_pack_rows16((int32_t *)panel + 16, NR, from + 16 * stride, stride, 16, depth * 4, none);
    else
      ck_pack_rows16((int32_t *)panel + 16, NR, from + 16 * stride, stride, columns > 16 ? columns - 16 : 0, depth * 4,
                     none);
    return;
  }
  const __mmask16 low = ck_mask16(columns), high = ck_mask16(columns > 16 ? columns - 16 : 0);
  const char *from = source;
  for (size_t k = 0; k < depth; k++, from += k_stride, to += NR) {
    _mm512_storeu_ps(to, _mm512_maskz_loadu_ps(low, from));
    _mm512_storeu_ps(to + 16, _mm512_maskz_loadu_ps(high, from + 64));
  }
}
CK_TARGET_END

const ck_matmul_kernel ck_matmul_f32_avx512 = {
    .element = 4,
    .mr = MR,
    .nr = NR,
    .kgroup = 1,
    .a_bytes = 4,
    .b_bytes = 4,
    .rate = 45,
    .pack_a = pack_a,
    .pack_b = pack_b,
    .tile = tile,
};
#endif
