// At most 32 rows of A against a panel in chunks of a bit mask and elements (matmul/mask.h), on AMX: a chunk is a unit,
// which goes through the first cache, since tiles are loaded from memory. Include inside CK_TARGET_BEGIN(...) with
// VBMI2, after matmul/tile_amx.inc.h and these:
//   CK_MASK_LOAD(p, bits), CK_MASK_TYPE, CK_MASK_ELEMENT  as in tile_masked_avx512.inc.h
_Static_assert(CK_UNIT_BYTES == CK_MASK_CHUNK, "a unit is a chunk");

// Vectors first ..< first + count of a chunk.
CK_INLINE const char *ck_mask_piece(char *to, const char *mask, const char *values, const size_t first,
                                    const size_t count) {
#pragma clang loop unroll(full)
  for (size_t v = first; v < first + count; v++) {
    CK_MASK_TYPE bits;
    __builtin_memcpy(&bits, mask + v * sizeof bits, sizeof bits);
    ck_mask_fetch(values);
    _mm512_store_si512(to + v * 64, CK_MASK_LOAD(values, bits));
    values += CK_MASK_ELEMENT * (size_t)__builtin_popcountll(bits);
  }
  return values;
}
CK_INLINE const char *ck_mask_unit(char *to, const char *from) {
  return ck_mask_piece(to, from, from + 32 * sizeof(CK_MASK_TYPE), 0, 32);
}

// A unit is multiplied while the one after the next is expanded, piece by piece: what is stored in one turn is loaded
// in the next but one, since tiles wait until what they load has left the store buffer.
CK_INLINE void ck_masked_body(const ck_matmul_tile *tile, char *sums, const bool half) {
  _Alignas(64) char wide[3][CK_UNIT_BYTES];
  const char *a = tile->a, *from = tile->b;
  const size_t units = tile->units, a_bytes = tile->rows * 64;
  ck_load_sums(tile->from ? sums : NULL, CK_NR * 4, half);
  if (units > 0) from = ck_mask_unit(wide[0], from);
  if (units > 1) from = ck_mask_unit(wide[1], from);
  char *now = wide[0], *next = wide[1], *after = wide[2];
  for (size_t u = 0; u < units; u++, a += a_bytes) {
    const bool more = u + 2 < units;
    const char *mask = from;
    if (more) from = ck_mask_piece(after, mask, mask + 32 * sizeof(CK_MASK_TYPE), 0, 8);
    _tile_loadd(6, now, 128);
    _tile_loadd(4, a, 64);
    CK_DOT_TILES(0, 4, 6);
    if (more) from = ck_mask_piece(after, mask, from, 8, 8);
    _tile_loadd(7, now + 64, 128);
    CK_DOT_TILES(1, 4, 7);
    if (more) from = ck_mask_piece(after, mask, from, 16, 8);
    if (!half) {
      _tile_loadd(5, a + CK_TILE_BYTES, 64);
      CK_DOT_TILES(2, 5, 6);
      CK_DOT_TILES(3, 5, 7);
    }
    if (more) from = ck_mask_piece(after, mask, from, 24, 8);
    char *const done = now;
    now = next, next = after, after = done;
  }
  ck_store_sums(sums, CK_NR * 4, half);
}

static void ck_tile_masked(const ck_matmul_tile *tile) {
  _Alignas(64) char sums[CK_ROWS * CK_NR * 4];
  if (tile->from) ck_copy_sums(sums, CK_NR * 4, tile->from, tile->from_stride * 4, tile->rows, tile->columns);
  if (tile->rows > CK_SIDE)
    ck_masked_body(tile, sums, false);
  else
    ck_masked_body(tile, sums, true);
  ck_copy_sums(tile->to, tile->to_stride * 4, sums, CK_NR * 4, tile->rows, tile->columns);
}
