// The tile of blocks on AMX: 16 columns of C, turned over, by up to 64 rows in four tile registers of sums. 16 kept
// vectors of B are a tile whichever K-groups they are of. Of A their K-groups, 64 bytes for 16 rows, are copied from
// the panel into a small ring that tile registers are loaded from, while the chunk before is multiplied. A product of
// 16 x 16 takes 16 cycles, and its copying 16 loads from L2 and 16 stores, which compete for L1: about 40 cycles. A
// longer ring, in which stores have more time to settle, is slower, since it takes more of L1.
//   CK_DOT_TILES(sum, a, b)   the product of two tile registers
// Sums of a row depend on that row alone. Include inside CK_TARGET_BEGIN(...), after matmul/dwords_avx512.inc.h.
#include "matmul/blocks_pack_avx512.inc.h"
#include "runtime/tiles_amx.inc.h"

enum { CK_RING = 2, CK_TILE = CK_SIDE * 64, CK_BLOCKS_DISTANCE = 4 * CK_TILE };

// K-groups `first` ..< `end` of a chunk, of `quarters` x 16 rows each.
CK_INLINE void ck_gather(char *to, const char *a, const uint16_t *index, const size_t first, const size_t end,
                         const size_t quarters) {
#pragma clang loop unroll(full)
  for (size_t g = first; g < end; g++) {
    const char *from = a + (size_t)index[g] * (quarters * 64);
#pragma clang loop unroll(full)
    for (size_t q = 0; q < quarters; q++)
      _mm512_store_si512(to + q * CK_TILE + g * 64, _mm512_load_si512(from + q * 64));
  }
}

// 16 x 16 sums, turned over: rows x columns of them at `to`.
CK_INLINE void ck_turn_out(char *to, size_t to_bytes, const char *sums, size_t rows, __mmask16 columns) {
  __m512i r[16];
#pragma clang loop unroll(full)
  for (size_t i = 0; i < 16; i++) r[i] = _mm512_load_si512(sums + i * 64);
  ck_transpose16(r);
#pragma clang loop unroll(full)
  for (size_t i = 0; i < 16; i++)
    if (i < rows) _mm512_mask_storeu_epi32(to + i * to_bytes, columns, r[i]);
}
CK_INLINE void ck_turn_in(char *sums, const char *from, size_t from_bytes, size_t rows, __mmask16 columns) {
  __m512i r[16];
#pragma clang loop unroll(full)
  for (size_t i = 0; i < 16; i++)
    r[i] = i < rows ? _mm512_maskz_loadu_epi32(columns, from + i * from_bytes) : _mm512_setzero_si512();
  ck_transpose16(r);
#pragma clang loop unroll(full)
  for (size_t i = 0; i < 16; i++) _mm512_store_si512(sums + i * 64, r[i]);
}

CK_INLINE void ck_blocks_multiply(const ck_matmul_tile *tile, char *ring, const size_t quarters) {
  const char *a = tile->a, *b = tile->b, *next = tile->next;
  const uint16_t *index = tile->index;
  const size_t chunks = tile->units / CK_SIDE;
  size_t lines = tile->rows;
  const size_t lines_each = ck_ceil_div(lines, ck_max(chunks, 1));
  const size_t step = 16 / quarters;
  ck_gather(ring, a, index, 0, CK_SIDE, quarters);
  for (size_t c = 0; c < chunks; c++, b += CK_TILE, index += CK_SIDE) {
    const char *here = ring + c % CK_RING * 4 * CK_TILE;
    char *then = ring + (c + 1) % CK_RING * 4 * CK_TILE;
#pragma clang loop unroll(full)
    for (size_t i = 0; i < CK_SIDE; i++) __builtin_prefetch(b + CK_BLOCKS_DISTANCE + i * 64, 0, 3);
    for (size_t i = 0; i < lines_each && lines; i++, lines--, next += tile->next_stride) __builtin_prefetch(next, 1, 3);
    const uint16_t *coming = index + CK_SIDE;
    _tile_loadd(4, b, 64);
    _tile_loadd(5, here, 64);
    CK_DOT_TILES(0, 4, 5);
    ck_gather(then, a, coming, 0, quarters == 3 ? 6 : step, quarters);
    if (quarters == 1) continue;
    _tile_loadd(6, here + CK_TILE, 64);
    CK_DOT_TILES(1, 4, 6);
    ck_gather(then, a, coming, quarters == 3 ? 6 : step, quarters == 3 ? 12 : 2 * step, quarters);
    if (quarters == 2) continue;
    _tile_loadd(7, here + 2 * CK_TILE, 64);
    CK_DOT_TILES(2, 4, 7);
    ck_gather(then, a, coming, quarters == 3 ? 12 : 2 * step, quarters == 3 ? 16 : 3 * step, quarters);
    if (quarters == 3) continue;
    _tile_loadd(5, here + 3 * CK_TILE, 64);
    CK_DOT_TILES(3, 4, 5);
    ck_gather(then, a, coming, 12, 16, quarters);
  }
}

CK_INLINE void ck_blocks_body(const ck_matmul_tile *tile, const size_t quarters) {
  _Alignas(4096) char ring[CK_RING * 4 * CK_TILE];
  const __mmask16 columns = ck_mask16(tile->columns);
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  if (tile->from) {
    for (size_t q = 0; q < quarters; q++)
      ck_turn_in(ring + q * CK_TILE, (const char *)tile->from + q * 16 * tile->from_stride * 4, tile->from_stride * 4,
                 ck_min(16, tile->rows - 16 * q), columns);
    _tile_loadd(0, ring, 64);
    if (quarters > 1) _tile_loadd(1, ring + CK_TILE, 64);
    if (quarters > 2) _tile_loadd(2, ring + 2 * CK_TILE, 64);
    if (quarters > 3) _tile_loadd(3, ring + 3 * CK_TILE, 64);
  }
  ck_blocks_multiply(tile, ring, quarters);
  _tile_stored(0, ring, 64);
  if (quarters > 1) _tile_stored(1, ring + CK_TILE, 64);
  if (quarters > 2) _tile_stored(2, ring + 2 * CK_TILE, 64);
  if (quarters > 3) _tile_stored(3, ring + 3 * CK_TILE, 64);
  for (size_t q = 0; q < quarters; q++) {
    const size_t rows = ck_min(16, tile->rows - 16 * q);
    char *to = (char *)tile->to + q * 16 * tile->to_stride * 4;
    if (rows == 16)
      ck_turn_out(to, tile->to_stride * 4, ring + q * CK_TILE, 16, columns);
    else
      ck_turn_out(to, tile->to_stride * 4, ring + q * CK_TILE, rows, columns);
  }
}

static void ck_tile(const ck_matmul_tile *tile) {
  switch (ck_ceil_div(tile->rows, 16)) {
  case 1:
    return ck_blocks_body(tile, 1);
  case 2:
    return ck_blocks_body(tile, 2);
  case 3:
    return ck_blocks_body(tile, 3);
  default:
    return ck_blocks_body(tile, 4);
  }
}

#define CK_BLOCKS_AMX(...)                                                                                             \
  {.mr = 64,                                                                                                           \
   .nr = CK_BLOCK_COLUMNS,                                                                                             \
   .grain = 16,                                                                                                        \
   .unit_bytes = CK_BLOCK_BYTES,                                                                                       \
   .chunk = CK_SIDE,                                                                                                   \
   .tile = ck_tile,                                                                                                    \
   .enter = ck_tiles_enter,                                                                                            \
   .leave = ck_tiles_leave,                                                                                            \
   __VA_ARGS__}
