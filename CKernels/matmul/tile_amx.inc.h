// The tile of dense products on AMX: 32 x 32. Four tile registers of sums, two of A and two of B: for each unit of K
// (64 bytes of a row) four loads feed four products of 16 x 16, 16 cycles each, and a load takes 8 from L1.
//   CK_DOT_TILES(sum, a, b)   the product of two tile registers; a macro, since registers are named in the instruction
// A panel of A is, unit by unit, its rows' 64 bytes, so that 16 rows are a tile as they lie; a panel of B, unit by
// unit, 16 K-groups of 32 columns, and a tile is every other 64 bytes. Sums of a row depend on that row alone. Include
// inside CK_TARGET_BEGIN(...), after matmul/columns_avx512.inc.h.
#include "matmul/types.h"
#include "runtime/tiles_amx.inc.h"
#include <immintrin.h>

enum { CK_ROWS = 2 * CK_SIDE, CK_TILE_BYTES = CK_SIDE * 64, CK_UNIT_BYTES = 2 * CK_TILE_BYTES };

// rows x columns of 32-bit sums.
CK_INLINE void ck_copy_sums(char *to, size_t to_stride, const char *from, size_t from_stride, size_t rows,
                            size_t columns) {
  const __mmask16 low = ck_mask16(columns), high = ck_mask16(columns > 16 ? columns - 16 : 0);
  for (size_t i = 0; i < rows; i++, to += to_stride, from += from_stride) {
    _mm512_mask_storeu_epi32(to, low, _mm512_maskz_loadu_epi32(low, from));
    _mm512_mask_storeu_epi32(to + 64, high, _mm512_maskz_loadu_epi32(high, from + 64));
  }
}

// What will be needed soon: the result's rows in the next tile, the panel of B that follows, and, with few rows, B
// itself, which then comes from memory.
typedef struct ck_tile_ahead {
  const char *c, *b;
  size_t c_stride, rows, c_rows, b_bytes;
} ck_tile_ahead;
CK_INLINE ck_tile_ahead ck_tile_ahead_of(const ck_matmul_tile *tile) {
  return (ck_tile_ahead){.c = tile->next,
                         .b = tile->ahead,
                         .c_stride = tile->next_stride,
                         .rows = tile->rows,
                         .c_rows = ck_ceil_div(tile->rows, ck_max(tile->units, 1)),
                         .b_bytes = tile->ahead_step / CK_MATMUL_STEP};
}
CK_INLINE void ck_tile_fetch(ck_tile_ahead *ahead) {
  for (size_t i = 0; i < ahead->c_rows && ahead->rows > 0; i++, ahead->rows--, ahead->c += ahead->c_stride) {
    __builtin_prefetch(ahead->c, 1, 3);
    __builtin_prefetch(ahead->c + 64, 1, 3);
  }
  for (size_t i = 0; i < ahead->b_bytes; i += 64) __builtin_prefetch(ahead->b + i, 0, 2);
  ahead->b += ahead->b_bytes;
}

// half: of A, at most 16 rows.
CK_INLINE void ck_tile_body(const ck_matmul_tile *tile, const char *from, size_t from_bytes, char *to, size_t to_bytes,
                            const bool half) {
  const char *a = tile->a, *b = tile->b;
  if (from) {
    _tile_loadd(0, from, from_bytes);
    _tile_loadd(1, from + 64, from_bytes);
    if (!half) {
      _tile_loadd(2, from + CK_SIDE * from_bytes, from_bytes);
      _tile_loadd(3, from + CK_SIDE * from_bytes + 64, from_bytes);
    }
  } else {
    _tile_zero(0);
    _tile_zero(1);
    if (!half) {
      _tile_zero(2);
      _tile_zero(3);
    }
  }
  ck_tile_ahead ahead = ck_tile_ahead_of(tile);
  const size_t a_bytes = tile->rows * 64;
  for (size_t u = 0; u < tile->units; u++, a += a_bytes, b += CK_UNIT_BYTES) {
    ck_tile_fetch(&ahead);
    _tile_loadd(6, b, 128);
    _tile_loadd(4, a, 64);
    CK_DOT_TILES(0, 4, 6);
    _tile_loadd(7, b + 64, 128);
    CK_DOT_TILES(1, 4, 7);
    if (!half) {
      _tile_loadd(5, a + CK_TILE_BYTES, 64);
      CK_DOT_TILES(2, 5, 6);
      CK_DOT_TILES(3, 5, 7);
    }
  }
  _tile_stored(0, to, to_bytes);
  _tile_stored(1, to + 64, to_bytes);
  if (!half) {
    _tile_stored(2, to + CK_SIDE * to_bytes, to_bytes);
    _tile_stored(3, to + CK_SIDE * to_bytes + 64, to_bytes);
  }
}

static void ck_tile(const ck_matmul_tile *tile) {
  const char *from = tile->from;
  char *to = tile->to;
  size_t from_bytes = tile->from_stride * 4, to_bytes = tile->to_stride * 4;
  const size_t rows = tile->rows, columns = tile->columns;
  const bool whole = rows == CK_ROWS && columns == CK_NR;
  _Alignas(64) char sums[CK_ROWS * CK_NR * 4];
  if (!whole) {
    if (from) ck_copy_sums(sums, CK_NR * 4, from, from_bytes, rows, columns), from = sums, from_bytes = CK_NR * 4;
    to = sums, to_bytes = CK_NR * 4;
  }
  if (rows > CK_SIDE)
    ck_tile_body(tile, from, from_bytes, to, to_bytes, false);
  else
    ck_tile_body(tile, from, from_bytes, to, to_bytes, true);
  if (!whole) ck_copy_sums(tile->to, tile->to_stride * 4, sums, CK_NR * 4, rows, columns);
}

// Rows of A, contiguous along K: 64 bytes of each. The last ones are padded with zeros.
CK_INLINE void ck_pack_a_tiles(char *panel, const char *at, size_t stride, size_t rows, size_t bytes) {
  const size_t rest = bytes % 64;
  const __mmask64 mask = rest ? ~UINT64_C(0) >> (64 - rest) : 0;
  for (size_t i = 0; i < rows; i++, at += stride, panel += 64) {
    char *to = panel;
    size_t done = 0;
    for (; done + 64 <= bytes; done += 64, to += rows * 64) _mm512_store_si512(to, _mm512_loadu_si512(at + done));
    if (rest) _mm512_store_si512(to, _mm512_maskz_loadu_epi8(mask, at + done));
  }
}
// Zeros from `units` K-groups on to the end of the unit.
CK_INLINE void ck_pad_b_tiles(char *panel, size_t groups) {
  for (; groups % CK_SIDE != 0; groups++) {
    _mm512_store_si512(panel + groups * 128, _mm512_setzero_si512());
    _mm512_store_si512(panel + groups * 128 + 64, _mm512_setzero_si512());
  }
}
