// The tile of every dense product on AVX2: 6 x 16. Twelve vectors of sums, two of B and a broadcast of A. A K-group of
// A is 4 bytes (one f32, two s16), one of B is what its types make of it:
//   ck_dot(sum, a, b)      sum plus a K-group of A, broadcast, times one of B, in all 8 lanes
//   ck_load_b(p, v)        vector v of a unit of B
//   CK_UNIT_BYTES          of a unit of B
// Include inside CK_TARGET_BEGIN(...), after these.
#include "matmul/dwords_avx2.inc.h"
#include "matmul/tile_rows.inc.h"

enum { CK_NR = 16 };

// Keeps the compiler from moving loads and stores across.
CK_INLINE void ck_in_order(void) { __asm__ volatile("" ::: "memory"); }

// K-group i, in all lanes.
CK_INLINE __m256i ck_group(const char *a, size_t i) {
  int32_t group;
  memcpy(&group, a + i * 4, sizeof group);
  return _mm256_set1_epi32(group);
}

// One K-group: 2 * panels vectors of B against `rows` groups of A, twelve sums at most. Of the 16 registers four are
// left: for two vectors of B and one of A with a panel, else for one of B and three of A at most. In order, since
// fetching B for the next K-group while this one needs them all costs a sum its register, and doubles the time.
CK_INLINE void ck_tile_step(__m256i *sum, const char *a, const char *b, const size_t b_stride, const size_t rows,
                            const size_t panels) {
  const size_t vectors = 2 * panels;
  __m256i bv[2], av[3];
#pragma clang loop unroll(full)
  for (size_t i = 0; i < (panels > 1 ? rows : 0); i++) av[i] = ck_group(a, i);
#pragma clang loop unroll(full)
  for (size_t v = 0; v < vectors; v++) {
    const char *p = b + v / 2 * b_stride;
    if (v % 2 == 0) __builtin_prefetch(p + ck_stream_ahead(rows), 0, 2);
    bv[v % 2] = ck_load_b(p, v % 2);
#pragma clang loop unroll(full)
    for (size_t i = 0; i < (panels > 1 ? rows : 0); i++)
      sum[i * vectors + v] = ck_dot(sum[i * vectors + v], av[i], bv[v % 2]);
    if (panels > 1) ck_in_order();
  }
#pragma clang loop unroll(full)
  for (size_t i = 0; i < (panels > 1 ? 0 : rows); i++) {
    const __m256i one = ck_group(a, i);
    sum[2 * i] = ck_dot(sum[2 * i], one, bv[0]);
    sum[2 * i + 1] = ck_dot(sum[2 * i + 1], one, bv[1]);
  }
  ck_in_order();
}

CK_INLINE void ck_tile_body(const ck_matmul_tile *tile, const size_t rows, const size_t panels) {
  __m256i sum[CK_MR * 2];
  const size_t vectors = 2 * panels, b_stride = tile->b_stride;
  const char *a = tile->a, *b = tile->b;
  // Only the last panel may be partial. Masked stores are slow, so whole tiles take none.
  const bool whole = tile->columns == panels * CK_NR;
  const size_t columns = tile->columns - (panels - 1) * CK_NR;
  const __m256i mask[2] = {ck_mask8(columns), ck_mask8(columns > 8 ? columns - 8 : 0)};
#pragma clang loop unroll(full)
  for (size_t i = 0; i < rows * vectors; i++) sum[i] = _mm256_setzero_si256();
  if (tile->from) {
    const char *from = tile->from;
#pragma clang loop unroll(full)
    for (size_t i = 0; i < rows; i++, from += tile->from_stride * 4)
#pragma clang loop unroll(full)
      for (size_t v = 0; v < vectors; v++)
        sum[i * vectors + v] = v + 2 < vectors ? _mm256_loadu_si256((const __m256i *)(from + 32 * v))
                                               : _mm256_maskload_epi32((const int *)(from + 32 * v), mask[v % 2]);
  }
  ck_prefetch prefetch = ck_prefetch_start(tile);
  size_t u = 0;
#pragma clang loop unroll(disable)
  for (; u + CK_MATMUL_STEP <= tile->units; u += CK_MATMUL_STEP) {
    ck_prefetch_step(&prefetch);
#pragma clang loop unroll(full)
    for (size_t s = 0; s < CK_MATMUL_STEP; s++, a += rows * 4, b += CK_UNIT_BYTES)
      ck_tile_step(sum, a, b, b_stride, rows, panels);
  }
#pragma clang loop unroll(disable)
  for (; u < tile->units; u++, a += rows * 4, b += CK_UNIT_BYTES) ck_tile_step(sum, a, b, b_stride, rows, panels);
  char *to = tile->to;
#pragma clang loop unroll(full)
  for (size_t i = 0; i < rows; i++, to += tile->to_stride * 4)
#pragma clang loop unroll(full)
    for (size_t v = 0; v < vectors; v++) {
      if (whole || v + 2 < vectors)
        _mm256_storeu_si256((__m256i *)(to + 32 * v), sum[i * vectors + v]);
      else
        _mm256_maskstore_epi32((int *)(to + 32 * v), mask[v % 2], sum[i * vectors + v]);
    }
}

static void ck_tile(const ck_matmul_tile *tile) {
  switch (CK_TILE_KEY(tile, CK_NR)) { CK_TILE_CASES_6(ck_tile_body) }
}

// Columns of B, contiguous along K, in units of 4 bytes a column.
CK_INLINE void ck_pack_b_rows(void *panel, const char *at, size_t stride, size_t columns, size_t bytes, size_t unit,
                              ck_units8 *load) {
  const size_t low = ck_min(columns, 8), high = columns - low;
  int32_t *to = panel;
  if (columns == CK_NR) {
    ck_pack_rows8(to, CK_NR, at, stride, 8, bytes, unit, load);
    ck_pack_rows8(to + 8, CK_NR, at + 8 * stride, stride, 8, bytes, unit, load);
  } else {
    ck_pack_rows8(to, CK_NR, at, stride, low, bytes, unit, load);
    ck_pack_rows8(to + 8, CK_NR, at + low * stride, stride, high, bytes, unit, load);
  }
}
