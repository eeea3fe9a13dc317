// The tile of every dense product on AVX-512: 14 x 32. 28 vectors of sums, two of B and two broadcasts of A fill the 32
// registers; per K-group 16 loads feed 28 multiply-adds, so that neither the load ports nor the latency of the chains
// is the limit. A K-group of A is 4 bytes (one f32, two bf16, four bytes), one of B is what its types make of it:
//   ck_dot(sum, a, b)      sum plus a K-group of A, broadcast, times one of B, in all 16 lanes
//   ck_load_b(p, v)        vector v of a unit of B
//   CK_UNIT_BYTES          of a unit of B
//   CK_UNIT_GROUPS         K-groups in a unit of B, when not one; then ck_load_b(p, v, g) makes vector v of group g
//   CK_STREAM_AHEAD(rows)  instead of ck_stream_ahead, if that suits
//   CK_ADD_EXTRA(sum, p)   sum plus what follows the panel for this vector; undefined where nothing does
// Include inside CK_TARGET_BEGIN(...), after these.
#include "matmul/dwords_avx512.inc.h"
#include "matmul/tile_rows.inc.h"
#include "matmul/columns_avx512.inc.h"

#if !defined(CK_UNIT_GROUPS)
#define CK_UNIT_GROUPS 1
#define CK_LOAD_B(p, v, group) ck_load_b(p, v)
#else
#define CK_LOAD_B ck_load_b
#endif

#if !defined(CK_STREAM_AHEAD)
#define CK_STREAM_AHEAD ck_stream_ahead
#endif

// One K-group of a unit: 2 * panels vectors of B against `rows` groups of A.
CK_INLINE void ck_tile_step(__m512i *sum, const char *a, const char *b, const size_t b_stride, const size_t rows,
                            const size_t panels, const size_t group) {
  __m512i bv[2 * 2];
#pragma clang loop unroll(full)
  for (size_t v = 0; v < 2 * panels; v++) {
    const char *p = b + v / 2 * b_stride;
    bv[v] = CK_LOAD_B(p, v % 2, group);
    if (group == 0 && v % 2 * 64 < CK_UNIT_BYTES) __builtin_prefetch(p + v % 2 * 64 + CK_STREAM_AHEAD(rows), 0, 2);
  }
#pragma clang loop unroll(full)
  for (size_t i = 0; i < rows; i++) {
    const __m512i av = ck_broadcast(a + i * 4);
#pragma clang loop unroll(full)
    for (size_t v = 0; v < 2 * panels; v++) sum[i * 2 * panels + v] = ck_dot(sum[i * 2 * panels + v], av, bv[v]);
  }
}

CK_INLINE void ck_tile_unit(__m512i *sum, const char *a, const char *b, const size_t b_stride, const size_t rows,
                            const size_t panels) {
#pragma clang loop unroll(full)
  for (size_t g = 0; g < CK_UNIT_GROUPS; g++) ck_tile_step(sum, a + g * rows * 4, b, b_stride, rows, panels, g);
}

// The last CK_LAST units of a tile, one row after the other: a finished row is stored while the next ones are
// multiplied. Stored in one burst behind the last unit, the 28 vectors would hold up the multiply-adds of the next
// tile: on Zen 4 a store of 64 bytes takes two cycles, and the burst cost 65 cycles a tile, 2 % of one of 512 steps of
// s8; so it costs 5. There is one register for A and two for B. Each row that is done leaves two more, so that the
// first rows take B from memory and row CK_LAST - 1 has all of it in registers.
enum { CK_LAST = 3 };
CK_INLINE void ck_tile_last(const ck_matmul_tile *tile, __m512i *sum, const char *a, const char *b, const size_t rows) {
  const size_t to_stride = tile->to_stride * 4;
  char *to = tile->to;
  __m512i bv[CK_LAST][2];
#pragma clang loop unroll(full)
  for (size_t i = 0; i < rows; i++, to += to_stride) {
    if (i < CK_LAST) {
      bv[i][0] = CK_LOAD_B(b + i * CK_UNIT_BYTES, 0, 0);
      bv[i][1] = CK_LOAD_B(b + i * CK_UNIT_BYTES, 1, 0);
    }
#pragma clang loop unroll(full)
    for (size_t u = 0; u < CK_LAST; u++) {
      const __m512i av = ck_broadcast(a + (u * rows + i) * 4);
      const char *here = b + u * CK_UNIT_BYTES;
      __asm__("" : "+r"(here)); // or the compiler would keep what it loads, and has no register for it
      sum[2 * i] = ck_dot(sum[2 * i], av, u <= i ? bv[u][0] : CK_LOAD_B(here, 0, 0));
      sum[2 * i + 1] = ck_dot(sum[2 * i + 1], av, u <= i ? bv[u][1] : CK_LOAD_B(here, 1, 0));
    }
    _mm512_storeu_si512(to, sum[2 * i]);
    _mm512_storeu_si512(to + 64, sum[2 * i + 1]);
    __asm__ volatile("" ::: "memory"); // here, and not when all are done
  }
}

CK_INLINE void ck_tile_body(const ck_matmul_tile *tile, const size_t rows, const size_t panels) {
  __m512i sum[CK_MR * 2];
  const size_t vectors = 2 * panels, b_stride = tile->b_stride;
  const char *a = tile->a, *b = tile->b;
  __mmask16 mask[2 * 2];
#pragma clang loop unroll(full)
  for (size_t v = 0; v < vectors; v++)
    mask[v] = v + 2 < vectors ? 0xffff : ck_mask16(tile->columns > 16 * v ? tile->columns - 16 * v : 0);
#pragma clang loop unroll(full)
  for (size_t i = 0; i < rows * vectors; i++) sum[i] = _mm512_setzero_si512();
  if (tile->from) {
    const char *from = tile->from;
#pragma clang loop unroll(full)
    for (size_t i = 0; i < rows; i++, from += tile->from_stride * 4)
#pragma clang loop unroll(full)
      for (size_t v = 0; v < vectors; v++) sum[i * vectors + v] = _mm512_maskz_loadu_epi32(mask[v], from + 64 * v);
  }
#if defined(CK_ADD_EXTRA)
  if (tile->extra)
#pragma clang loop unroll(full)
    for (size_t v = 0; v < vectors; v++) {
      const char *extra = (const char *)tile->extra + v / 2 * b_stride + v % 2 * 64;
#pragma clang loop unroll(full)
      for (size_t i = 0; i < rows; i++) sum[i * vectors + v] = CK_ADD_EXTRA(sum[i * vectors + v], extra);
    }
#endif
  ck_prefetch prefetch = ck_prefetch_start(tile);
  // With few rows B comes from memory, and the stores are few.
  const bool apart = CK_UNIT_GROUPS == 1 && panels == 1 && rows > 5 && tile->columns == CK_NR && tile->units >= CK_LAST;
  const size_t units = tile->units - (apart ? CK_LAST : 0);
  size_t u = 0;
#pragma clang loop unroll(disable)
  for (; u + CK_MATMUL_STEP <= units; u += CK_MATMUL_STEP) {
    ck_prefetch_step(&prefetch);
#pragma clang loop unroll_count(CK_MATMUL_STEP / CK_UNIT_GROUPS)
    for (size_t s = 0; s < CK_MATMUL_STEP; s++, a += CK_UNIT_GROUPS * rows * 4, b += CK_UNIT_BYTES)
      ck_tile_unit(sum, a, b, b_stride, rows, panels);
  }
#pragma clang loop unroll(disable)
  for (; u < units; u++, a += CK_UNIT_GROUPS * rows * 4, b += CK_UNIT_BYTES)
    ck_tile_unit(sum, a, b, b_stride, rows, panels);
  if (apart) return ck_tile_last(tile, sum, a, b, rows);
  char *to = tile->to;
#pragma clang loop unroll(full)
  for (size_t i = 0; i < rows; i++, to += tile->to_stride * 4)
#pragma clang loop unroll(full)
    for (size_t v = 0; v < vectors; v++) _mm512_mask_storeu_epi32(to + 64 * v, mask[v], sum[i * vectors + v]);
}

static void ck_tile(const ck_matmul_tile *tile) {
  switch (CK_TILE_KEY(tile, CK_NR)) { CK_TILE_CASES_14(ck_tile_body) }
}
