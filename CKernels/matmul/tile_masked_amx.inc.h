// At most 32 rows of A against a panel in chunks of a bit mask and elements (matmul/mask.h), on AMX: a chunk is a unit,
// which goes through the first cache, since tiles are loaded from memory. Include inside CK_TARGET_BEGIN(...) with
// VBMI2, after matmul/tile_amx.inc.h and these:
//   matmul/mask_vector_avx512.inc.h
_Static_assert(CK_UNIT_BYTES == CK_MASK_SEEK, "a unit can be entered");

// A chunk, a quarter of a unit.
CK_INLINE const char *ck_mask_quarter(char *to, const char *from, size_t lines) {
  const char *values = from + 8 * sizeof(CK_MASK_TYPE);
  ck_mask_fetch(from, lines);
#pragma clang loop unroll(full)
  for (size_t v = 0; v < 8; v++)
    values = ck_mask_vector(to + v * CK_MASK_VECTOR, from + v * sizeof(CK_MASK_TYPE), values);
  return values;
}
CK_INLINE const char *ck_mask_unit(char *to, const char *from, size_t lines) {
#pragma clang loop unroll(disable)
  for (size_t at = 0; at < CK_UNIT_BYTES; at += CK_MASK_CHUNK) from = ck_mask_quarter(to + at, from, lines);
  return from;
}

#include "matmul/mask_ahead_avx512.inc.h"

CK_INLINE void ck_expanding_body(const ck_matmul_tile *tile, const char *from, size_t from_bytes, char *to,
                                 size_t to_bytes, const bool half) {
  const char *a = tile->a, *b = tile->b;
  ck_load_sums(from, from_bytes, half);
  ck_tile_ahead ahead = ck_tile_ahead_of(tile);
  const size_t a_bytes = tile->rows * 64;
  ck_mask_pace pace = ck_mask_pace_of(tile->expand, tile->units);
  for (size_t u = 0; u < tile->units; u++, a += a_bytes, b += CK_UNIT_BYTES) {
    ck_tile_fetch(&ahead);
    ck_tile_fetch_units(a, b);
    ck_multiply_unit(a, b, half);
    ck_mask_step(&pace, tile->expand);
  }
  ck_store_sums(to, to_bytes, half);
  ck_mask_rest(tile->expand);
}
static void ck_tile_expanding(const ck_matmul_tile *tile) { CK_TILE_OF_BODY(tile, ck_expanding_body); }

// A unit is multiplied while the one after the next is expanded, piece by piece: what is stored in one turn is loaded
// in the next but one, since tiles wait until what they load has left the store buffer.
CK_INLINE void ck_masked_units(const ck_matmul_tile *tile, char *sums, const bool half) {
  _Alignas(64) char wide[3][CK_UNIT_BYTES];
  const char *a = tile->a, *from = tile->b;
  const size_t units = tile->units, lines = tile->lines, a_bytes = tile->rows * 64;
  ck_load_sums(tile->from ? sums : NULL, CK_NR * 4, half);
  if (units > 0) from = ck_mask_unit(wide[0], from, lines);
  if (units > 1) from = ck_mask_unit(wide[1], from, lines);
  char *now = wide[0], *next = wide[1], *after = wide[2];
  for (size_t u = 0; u < units; u++, a += a_bytes) {
    const bool more = u + 2 < units;
    if (more) from = ck_mask_quarter(after + 0 * CK_MASK_CHUNK, from, lines);
    _tile_loadd(6, now, 128);
    _tile_loadd(4, a, 64);
    CK_DOT_TILES(0, 4, 6);
    if (more) from = ck_mask_quarter(after + 1 * CK_MASK_CHUNK, from, lines);
    _tile_loadd(7, now + 64, 128);
    CK_DOT_TILES(1, 4, 7);
    if (more) from = ck_mask_quarter(after + 2 * CK_MASK_CHUNK, from, lines);
    if (!half) {
      _tile_loadd(5, a + CK_TILE_BYTES, 64);
      CK_DOT_TILES(2, 5, 6);
      CK_DOT_TILES(3, 5, 7);
    }
    if (more) from = ck_mask_quarter(after + 3 * CK_MASK_CHUNK, from, lines);
    char *const done = now;
    now = next, next = after, after = done;
  }
  ck_store_sums(sums, CK_NR * 4, half);
}

CK_INLINE void ck_tile_masked_amx(const ck_matmul_tile *tile) {
  _Alignas(64) char sums[CK_ROWS * CK_NR * 4];
  if (tile->from) ck_copy_sums(sums, CK_NR * 4, tile->from, tile->from_stride * 4, tile->rows, tile->columns);
  if (tile->rows > CK_SIDE)
    ck_masked_units(tile, sums, false);
  else
    ck_masked_units(tile, sums, true);
  ck_copy_sums(tile->to, tile->to_stride * 4, sums, CK_NR * 4, tile->rows, tile->columns);
}
