// The tile of dense products on AMX: 32 x 32. Four tile registers of sums, two of A and two of B: for each unit of K
// (64 bytes of a row) four loads feed four products of 16 x 16, 16 cycles each, and a load takes 8 from L1.
//   CK_DOT_TILES(sum, a, b)   the product of two tile registers; a macro, since registers are named in the instruction
// A panel of B is, unit by unit, 16 K-groups of 32 columns, and a tile is every other 64 bytes. Sums of a row depend on
// that row alone. Include inside CK_TARGET_BEGIN(...), after matmul/columns_avx512.inc.h.
#include "matmul/amx.inc.h"

enum { CK_UNIT_BYTES = 2 * CK_TILE_BYTES };

// rows x columns of 32-bit sums.
CK_INLINE void ck_copy_sums(char *to, size_t to_stride, const char *from, size_t from_stride, size_t rows,
                            size_t columns) {
  const __mmask16 low = ck_mask16(columns), high = ck_mask16(columns > 16 ? columns - 16 : 0);
  for (size_t i = 0; i < rows; i++, to += to_stride, from += from_stride) {
    _mm512_mask_storeu_epi32(to, low, _mm512_maskz_loadu_epi32(low, from));
    _mm512_mask_storeu_epi32(to + 64, high, _mm512_maskz_loadu_epi32(high, from + 64));
  }
}

// The unit after the next one, into L1. With a core to itself a thread does without (and would be 3 to 7 % faster);
// beside another on the same core, as on rented machines, this is worth 20 to 60 %.
CK_INLINE void ck_tile_fetch_units(const char *a, const char *b) {
#pragma clang loop unroll(full)
  for (size_t at = 2 * CK_UNIT_BYTES; at < 3 * CK_UNIT_BYTES; at += 64) {
    __builtin_prefetch(a + at, 0, 3);
    __builtin_prefetch(b + at, 0, 3);
  }
}

// half: of A, at most 16 rows.
CK_INLINE void ck_load_sums(const char *from, size_t bytes, const bool half) {
  if (!from) {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    return;
  }
  _tile_loadd(0, from, bytes);
  _tile_loadd(1, from + 64, bytes);
  if (half) return;
  _tile_loadd(2, from + CK_SIDE * bytes, bytes);
  _tile_loadd(3, from + CK_SIDE * bytes + 64, bytes);
}
CK_INLINE void ck_store_sums(char *to, size_t bytes, const bool half) {
  _tile_stored(0, to, bytes);
  _tile_stored(1, to + 64, bytes);
  if (half) return;
  _tile_stored(2, to + CK_SIDE * bytes, bytes);
  _tile_stored(3, to + CK_SIDE * bytes + 64, bytes);
}
CK_INLINE void ck_multiply_unit(const char *a, const char *b, const bool half) {
  _tile_loadd(6, b, 128);
  _tile_loadd(4, a, 64);
  CK_DOT_TILES(0, 4, 6);
  _tile_loadd(7, b + 64, 128);
  CK_DOT_TILES(1, 4, 7);
  if (half) return;
  _tile_loadd(5, a + CK_TILE_BYTES, 64);
  CK_DOT_TILES(2, 5, 6);
  CK_DOT_TILES(3, 5, 7);
}

CK_INLINE void ck_tile_body(const ck_matmul_tile *tile, const char *from, size_t from_bytes, char *to, size_t to_bytes,
                            const bool half) {
  const char *a = tile->a, *b = tile->b;
  ck_load_sums(from, from_bytes, half);
  ck_tile_ahead ahead = ck_tile_ahead_of(tile);
  const size_t a_bytes = tile->rows * 64;
  for (size_t u = 0; u < tile->units; u++, a += a_bytes, b += CK_UNIT_BYTES) {
    ck_tile_fetch(&ahead);
    ck_tile_fetch_units(a, b);
    ck_multiply_unit(a, b, half);
  }
  ck_store_sums(to, to_bytes, half);
}

// Sums of tiles that are not whole pass through `sums`.
#define CK_TILE_OF_BODY(tile, BODY)                                                                                    \
  do {                                                                                                                 \
    const char *from = (tile)->from;                                                                                   \
    char *to = (tile)->to;                                                                                             \
    size_t from_bytes = (tile)->from_stride * 4, to_bytes = (tile)->to_stride * 4;                                     \
    const size_t rows = (tile)->rows, columns = (tile)->columns;                                                       \
    const bool whole = rows == CK_ROWS && columns == CK_NR;                                                            \
    _Alignas(64) char sums[CK_ROWS * CK_NR * 4];                                                                       \
    if (!whole) {                                                                                                      \
      if (from) ck_copy_sums(sums, CK_NR * 4, from, from_bytes, rows, columns), from = sums, from_bytes = CK_NR * 4;   \
      to = sums, to_bytes = CK_NR * 4;                                                                                 \
    }                                                                                                                  \
    if (rows > CK_SIDE)                                                                                                \
      BODY(tile, from, from_bytes, to, to_bytes, false);                                                               \
    else                                                                                                               \
      BODY(tile, from, from_bytes, to, to_bytes, true);                                                                \
    if (!whole) ck_copy_sums((tile)->to, (tile)->to_stride * 4, sums, CK_NR * 4, rows, columns);                       \
  } while (0)

static inline void ck_tile(const ck_matmul_tile *tile) { CK_TILE_OF_BODY(tile, ck_tile_body); }

// Zeros from `units` K-groups on to the end of the unit.
CK_INLINE void ck_pad_b_tiles(char *panel, size_t groups) {
  for (; groups % CK_SIDE != 0; groups++) {
    _mm512_store_si512(panel + groups * 128, _mm512_setzero_si512());
    _mm512_store_si512(panel + groups * 128 + 64, _mm512_setzero_si512());
  }
}
