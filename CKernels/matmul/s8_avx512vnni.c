// s8 x s8 -> s32 with vpdpbusd: 14 x 32, four steps of K at a time. The instruction multiplies unsigned by signed, so A
// is packed as a + 128 (one xor), and each sum starts from -128 times the sum of its column of B, which follows the
// panel. vpdpbusd does not saturate; intermediate wrap-around cancels, and the end result fits by the bound on K.
#if defined(__x86_64__)
#include "matmul/tile_rows.inc.h"
#include "matmul/types.h"
#include "runtime/target.h"
CK_TARGET_BEGIN(CK_TARGET_AVX512VNNI)
#include "matmul/dwords_avx512.inc.h"

enum { MR = 14, NR = 32, GROUP = 4 };

// One group of K: 2 * panels vectors of B against `rows` groups of A.
CK_INLINE void step(__m512i *sum, const char *a, const char *b, const size_t b_stride, const size_t rows,
                    const size_t panels) {
  __m512i bv[2 * 8];
#pragma clang loop unroll(full)
  for (size_t v = 0; v < 2 * panels; v++) bv[v] = _mm512_loadu_si512(b + v / 2 * b_stride + v % 2 * 64);
#pragma clang loop unroll(full)
  for (size_t i = 0; i < rows; i++) {
    int32_t unit;
    memcpy(&unit, a + i * GROUP, sizeof unit);
    const __m512i av = _mm512_set1_epi32(unit);
#pragma clang loop unroll(full)
    for (size_t v = 0; v < 2 * panels; v++)
      sum[i * 2 * panels + v] = _mm512_dpbusd_epi32(sum[i * 2 * panels + v], av, bv[v]);
  }
}

CK_INLINE void tile_body(const ck_matmul_tile *tile, const size_t rows, const size_t panels) {
  __m512i sum[MR * 2];
  const size_t vectors = 2 * panels;
  const char *a = tile->a, *b = tile->b;
  const size_t b_stride = tile->b_stride;
#pragma clang loop unroll(full)
  for (size_t v = 0; v < vectors; v++) {
    const char *offset = b + v / 2 * b_stride + tile->groups * NR * GROUP + v % 2 * 64;
#pragma clang loop unroll(full)
    for (size_t i = 0; i < rows; i++) sum[i * vectors + v] = _mm512_loadu_si512(offset);
  }
  ck_prefetch prefetch = ck_prefetch_start(tile);
  size_t g = 0;
#pragma clang loop unroll(disable)
  for (; g + CK_MATMUL_STEP <= tile->groups; g += CK_MATMUL_STEP) {
    ck_prefetch_step(&prefetch);
#pragma clang loop unroll(full)
    for (size_t u = 0; u < CK_MATMUL_STEP; u++, a += rows * GROUP, b += NR * GROUP)
      step(sum, a, b, b_stride, rows, panels);
  }
#pragma clang loop unroll(disable)
  for (; g < tile->groups; g++, a += rows * GROUP, b += NR * GROUP) step(sum, a, b, b_stride, rows, panels);
  const bool dequantize = tile->last && tile->row_scale;
#pragma clang loop unroll(full)
  for (size_t v = 0; v < vectors; v++) {
    const __mmask16 mask = v + 2 < vectors ? 0xffff : ck_mask16(tile->columns > 16 * v ? tile->columns - 16 * v : 0);
    __m512 scale = _mm512_setzero_ps(), bias = _mm512_setzero_ps();
    if (dequantize) scale = _mm512_maskz_loadu_ps(mask, tile->column_scale + 16 * v);
    if (dequantize && tile->bias) bias = _mm512_maskz_loadu_ps(mask, tile->bias + 16 * v);
    int32_t *c = (int32_t *)tile->c + 16 * v;
#pragma clang loop unroll(full)
    for (size_t i = 0; i < rows; i++, c += tile->c_stride) {
      __m512i s = sum[i * vectors + v];
      if (!tile->first) s = _mm512_add_epi32(s, _mm512_maskz_loadu_epi32(mask, c));
      if (dequantize) {
        const __m512 both = _mm512_mul_ps(_mm512_set1_ps(tile->row_scale[i]), scale);
        s = _mm512_castps_si512(_mm512_fmadd_ps(_mm512_cvtepi32_ps(s), both, bias));
      }
      _mm512_mask_storeu_epi32(c, mask, s);
    }
  }
}

static void tile(const ck_matmul_tile *tile) {
  switch (CK_TILE_KEY(tile, NR)) { CK_TILE_CASES_14(tile_body) }
}

static void pack_a(void *panel, const void *source, size_t stride, size_t k_stride, size_t rows, size_t depth) {
  const __m512i flip = _mm512_set1_epi8((char)0x80);
  if (rows == MR)
    ck_pack_rows16(panel, MR, source, stride, MR, depth, flip);
  else
    ck_pack_rows16(panel, rows, source, stride, rows, depth, flip);
}

static void pack_b(void *panel, const void *source, size_t stride, size_t k_stride, size_t columns, size_t depth) {
  const char *from = source;
  char *to = panel;
  const size_t groups = ck_ceil_div(depth, GROUP);
  if (k_stride == 1) {
    const __m512i none = _mm512_setzero_si512();
    const size_t low = ck_min(columns, 16), high = columns - low;
    if (columns == NR) {
      ck_pack_rows16(panel, NR, from, stride, 16, depth, none);
      ck_pack_rows16((int32_t *)panel + 16, NR, from + 16 * stride, stride, 16, depth, none);
    } else {
      ck_pack_rows16(panel, NR, from, stride, low, depth, none);
      ck_pack_rows16((int32_t *)panel + 16, NR, from + low * stride, stride, high, depth, none);
    }
  } else {
    memset(panel, 0, groups * NR * GROUP);
    for (size_t k = 0; k < depth; k++)
      for (size_t j = 0; j < columns; j++)
        to[k / GROUP * NR * GROUP + j * GROUP + k % GROUP] = from[j * stride + k * k_stride];
  }
  __m512i low = _mm512_setzero_si512(), high = low;
  const __m512i one = _mm512_set1_epi8(1);
  for (size_t g = 0; g < groups; g++, to += NR * GROUP) {
    low = _mm512_dpbusd_epi32(low, one, _mm512_loadu_si512(to));
    high = _mm512_dpbusd_epi32(high, one, _mm512_loadu_si512(to + 64));
  }
  _mm512_storeu_si512(to, _mm512_sub_epi32(_mm512_setzero_si512(), _mm512_slli_epi32(low, 7)));
  _mm512_storeu_si512(to + 64, _mm512_sub_epi32(_mm512_setzero_si512(), _mm512_slli_epi32(high, 7)));
}
CK_TARGET_END

const ck_matmul_kernel ck_matmul_s8_avx512vnni = {
    .element = 1,
    .mr = MR,
    .nr = NR,
    .kgroup = GROUP,
    .a_bytes = 1,
    .b_bytes = 1,
    .b_extra = NR * 4,
    .rate = 180,
    .pack_a = pack_a,
    .pack_b = pack_b,
    .tile = tile,
};
#endif
