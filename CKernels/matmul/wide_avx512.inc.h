// Products of 16-bit floats in f32 arithmetic on AVX-512: panels of B keep their 2 bytes an element, are widened in
// registers for few rows of A and into an f32 panel for many; A is widened when packed. Before including define
// what wide_a_avx512.inc.h asks for.
#define CK_UNIT_BYTES 64
CK_INLINE __m512i ck_load_b(const char *p, size_t v) {
  return _mm512_castps_si512(ck_widen16(_mm256_loadu_si256((const __m256i *)(p + 32 * v))));
}
CK_INLINE __m512i ck_dot(__m512i sum, __m512i a, __m512i b) {
  return _mm512_castps_si512(_mm512_fmadd_ps(_mm512_castsi512_ps(a), _mm512_castsi512_ps(b), _mm512_castsi512_ps(sum)));
}
#include "matmul/tile_avx512.inc.h"
#include "matmul/wide_a_avx512.inc.h"

static void expand(void *to, const void *panel, size_t units) {
  const char *from = panel;
  float *wide = to;
  for (size_t u = 0; u < units; u++, from += CK_UNIT_BYTES, wide += CK_NR) {
    __builtin_prefetch(from + 2048);
    _mm512_storeu_si512(wide, ck_load_b(from, 0));
    _mm512_storeu_si512(wide + 16, ck_load_b(from, 1));
  }
}

// 16 columns x 2 steps of K (one dword each) -> two rows of 16 halves.
CK_INLINE void ck_split_pair(char *to, __m512i pair) {
  _mm256_storeu_si256((__m256i *)to, _mm512_cvtepi32_epi16(pair));
  _mm256_storeu_si256((__m256i *)(to + CK_UNIT_BYTES), _mm512_cvtepi32_epi16(_mm512_srli_epi32(pair, 16)));
}

// B in [n, k]: transposed as dwords of two steps, then taken apart.
CK_INLINE void ck_pack_b_columns(char *to, const char *at, size_t stride, size_t columns, size_t depth) {
  for (size_t k = 0; k < depth; k += 32, at += 64, to += 32 * CK_UNIT_BYTES) {
    const size_t steps = ck_min(32, depth - k);
    const __mmask32 mask = steps == 32 ? ~0u : (1u << steps) - 1;
    __m512i r[16];
#pragma clang loop unroll(full)
    for (size_t j = 0; j < 16; j++)
      r[j] = j < columns ? _mm512_maskz_loadu_epi16(mask, at + j * stride) : _mm512_setzero_si512();
    ck_transpose16(r);
    for (size_t g = 0; g < steps / 2; g++) ck_split_pair(to + 2 * g * CK_UNIT_BYTES, r[g]);
    if (steps % 2)
      _mm256_storeu_si256((__m256i *)(to + (steps - 1) * CK_UNIT_BYTES), _mm512_cvtepi32_epi16(r[steps / 2]));
  }
}

static void pack_b(void *panel, void *extra, const ck_matmul_source *source, size_t first, size_t columns, size_t from,
                   size_t depth) {
  const char *at = source->data + first * source->stride + from * source->k_stride;
  char *to = panel;
  if (source->k_stride == 2) {
    ck_pack_b_columns(to, at, source->stride, ck_min(columns, 16), depth);
    ck_pack_b_columns(to + 32, at + 16 * source->stride, source->stride, columns > 16 ? columns - 16 : 0, depth);
    return;
  }
  const __mmask32 mask = columns < CK_NR ? (1u << columns) - 1 : ~0u;
  for (size_t k = 0; k < depth; k++, at += source->k_stride, to += CK_UNIT_BYTES)
    _mm512_storeu_si512(to, _mm512_maskz_loadu_epi16(mask, at));
}

extern const ck_matmul_kernel ck_matmul_f32_avx512;
