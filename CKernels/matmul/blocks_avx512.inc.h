// The tile of blocks on AVX-512: up to 28 rows of one vector. A kept vector of B is loaded once and multiplied with a
// K-group of each row, broadcast from the panel of A where the index says. 28 of 32 registers hold sums; 28 broadcasts
// and one vector a step keep both load ports as busy as the multipliers. A's K-groups are fetched CK_FETCH steps ahead,
// since no hardware foresees where they are: they come from L2.
//   ck_dot(sum, a, b)      as in tile_avx512.inc.h
//   CK_ADD_EXTRA(sum, p)   likewise
// Include inside CK_TARGET_BEGIN(...), after these and matmul/dwords_avx512.inc.h.
#include "matmul/blocks_pack_avx512.inc.h"

enum { CK_BLOCKS_MR = 28, CK_FETCH = 2, CK_BLOCKS_DISTANCE = 4096 };

CK_INLINE __m512i ck_block_broadcast(const char *a) {
  int32_t bits;
  memcpy(&bits, a, sizeof bits);
  return _mm512_set1_epi32(bits);
}

CK_INLINE void ck_blocks_body(const ck_matmul_tile *tile, const size_t rows) {
  const size_t group = ck_blocks_pitch(rows) * 4;
  const __mmask16 mask = ck_mask16(tile->columns);
  __m512i sum[CK_BLOCKS_MR];
#pragma clang loop unroll(full)
  for (size_t i = 0; i < rows; i++) {
    const char *from = (const char *)tile->from + i * tile->from_stride * 4;
    sum[i] = tile->from ? _mm512_maskz_loadu_epi32(mask, from) : _mm512_setzero_si512();
#if defined(CK_ADD_EXTRA)
    sum[i] = CK_ADD_EXTRA(sum[i], tile->extra);
#endif
  }
  const char *a = tile->a, *b = tile->b;
  const uint16_t *index = tile->index;
  const char *ahead[CK_FETCH];
#pragma clang loop unroll(full)
  for (size_t i = 0; i < CK_FETCH; i++) ahead[i] = a + index[i] * group;
#pragma clang loop unroll_count(4)
  for (size_t u = 0; u < tile->units; u++, b += CK_BLOCK_BYTES) {
    const char *here = ahead[u % CK_FETCH], *then = a + index[u + CK_FETCH] * group;
    __asm__("" : "+r"(then)); // once, not for every row
    __builtin_prefetch(then, 0, 3);
    if (group > 64) __builtin_prefetch(then + 64, 0, 3);
    ahead[u % CK_FETCH] = then;
    const __m512i bv = _mm512_load_si512(b);
    __builtin_prefetch(b + CK_BLOCKS_DISTANCE, 0, 3);
#pragma clang loop unroll(full)
    for (size_t i = 0; i < rows; i++) sum[i] = ck_dot(sum[i], ck_block_broadcast(here + i * 4), bv);
  }
  char *to = tile->to;
#pragma clang loop unroll(full)
  for (size_t i = 0; i < rows; i++, to += tile->to_stride * 4) _mm512_mask_storeu_epi32(to, mask, sum[i]);
}

#define CK_BLOCKS_CASE(rows)                                                                                           \
  case rows:                                                                                                           \
    ck_blocks_body(tile, rows);                                                                                        \
    break;
#define CK_BLOCKS_CASES_7(r)                                                                                           \
  CK_BLOCKS_CASE(r)                                                                                                    \
  CK_BLOCKS_CASE(r + 1)                                                                                                \
  CK_BLOCKS_CASE(r + 2)                                                                                                \
  CK_BLOCKS_CASE(r + 3) CK_BLOCKS_CASE(r + 4) CK_BLOCKS_CASE(r + 5) CK_BLOCKS_CASE(r + 6)

static void ck_tile(const ck_matmul_tile *tile) {
  switch (tile->rows) {
    CK_BLOCKS_CASES_7(1)
    CK_BLOCKS_CASES_7(8)
    CK_BLOCKS_CASES_7(15)
    CK_BLOCKS_CASES_7(22)
  }
}

#define CK_BLOCKS_AVX512(...)                                                                                          \
  {.mr = CK_BLOCKS_MR, .nr = CK_BLOCK_COLUMNS, .unit_bytes = CK_BLOCK_BYTES, .tile = ck_tile, __VA_ARGS__}
