// The tile of products with 4-bit weights on AMX: 32 x 16. A group's weights are expanded to tiles of B in the first
// cache; its sums leave the tile registers, are scaled and join those of the groups before it, which wait there too.
//   CK_DOT_TILES(sum, a, b)            product of tile registers
//   CK_STEPS(group)                    steps of K in a tile, at most a group
//   ck_expand_tile(to, b, vectors, …)  so many times 8 steps of weights -> a tile of B
//   ck_sums(from)                      16 sums of a group as f32
//   CK_ELEMENT_BYTES                   of A
// Include inside CK_TARGET_BEGIN(...), after matmul/s4_pack_avx512.inc.h, matmul/amx.inc.h and these.
enum { CK_S4_AHEAD = 8192 };

CK_INLINE void ck_s4_scale(float *total, const char *sums, __m512 scales, size_t rows) {
  for (size_t i = 0; i < rows; i++) {
    float *to = total + i * CK_NR;
    _mm512_store_ps(to, _mm512_fmadd_ps(scales, ck_sums(sums + i * 64), _mm512_load_ps(to)));
  }
}

// Tiles of B that a group becomes.
CK_INLINE void ck_s4_expand(char *wide, const char *b, const size_t group, const bool zeros) {
  const size_t steps = CK_STEPS(group), head = CK_S4_HEAD_BYTES(CK_NR, zeros);
  const __m512i zero = zeros ? ck_zeros(b + CK_NR * 2) : _mm512_setzero_si512();
#pragma clang loop unroll(full)
  for (size_t t = 0; t < group / steps; t++)
    ck_expand_tile(wide + t * CK_TILE_BYTES, b + head + t * (steps / 8) * 64, steps / 8, zero, zeros);
}

// Sums of a group, into registers 0 and 1, or 2 and 3, and from there to memory.
#define CK_S4_SUMS(low, high)                                                                                          \
  do {                                                                                                                 \
    _tile_zero(low);                                                                                                   \
    if (!half) _tile_zero(high);                                                                                       \
    for (size_t t = 0; t < tiles; t++, a += a_bytes) {                                                                 \
      _tile_loadd(6, wide + t * CK_TILE_BYTES, 64);                                                                    \
      _tile_loadd(4, a, row_bytes);                                                                                    \
      CK_DOT_TILES(low, 4, 6);                                                                                         \
      if (!half) {                                                                                                     \
        _tile_loadd(5, a + CK_SIDE * row_bytes, row_bytes);                                                            \
        CK_DOT_TILES(high, 5, 6);                                                                                      \
      }                                                                                                                \
    }                                                                                                                  \
    _tile_stored(low, sums, 64);                                                                                       \
    if (!half) _tile_stored(high, sums + CK_TILE_BYTES, 64);                                                           \
  } while (0)

CK_INLINE void ck_s4_tile_body(const ck_matmul_tile *tile, const size_t group, const bool zeros, const bool half) {
  const size_t unit_bytes = CK_S4_UNIT_BYTES(CK_NR, group, zeros), steps = CK_STEPS(group), tiles = group / steps;
  const size_t row_bytes = steps * CK_ELEMENT_BYTES, rows = tile->rows, a_bytes = rows * row_bytes;
  const __mmask16 mask = ck_mask16(tile->columns);
  _Alignas(64) char wide_of[3][4 * CK_TILE_BYTES], sums_of[2][2 * CK_TILE_BYTES];
  _Alignas(64) float total[CK_ROWS * CK_NR];
  const char *a = tile->a, *b = tile->b;
  for (size_t i = 0; i < rows; i++) {
    const char *from = (const char *)tile->from + i * tile->from_stride * 4;
    _mm512_store_ps(total + i * CK_NR, tile->from ? _mm512_maskz_loadu_ps(mask, from) : _mm512_setzero_ps());
  }
  // Sums move to memory and back for each group: with few rows no more of them than there are.
  if (half) ck_tiles_lay_out(rows, row_bytes, steps * CK_ELEMENT_BYTES / 4);
  ck_tile_ahead ahead = ck_tile_ahead_of(tile);
  __m512 scales = _mm512_setzero_ps();
  char *wide = wide_of[0], *next = wide_of[1], *after = wide_of[2];
  if (tile->units > 0) ck_s4_expand(wide, b, group, zeros);
  if (tile->units > 1) ck_s4_expand(next, b + unit_bytes, group, zeros);
  // What is stored in one turn is loaded in the next but one, or, of sums, at the end of the next: tiles wait until
  // what they load has left the store buffer.
  for (size_t u = 0; u < tile->units; u++, b += unit_bytes) {
    char *sums = sums_of[u % 2];
    ck_tile_fetch(&ahead);
#pragma clang loop unroll(full)
    for (size_t at = 0; at < unit_bytes; at += 64) __builtin_prefetch(b + CK_S4_AHEAD + at, 0, 2);
    if (u % 2 == 0)
      CK_S4_SUMS(0, 1);
    else
      CK_S4_SUMS(2, 3);
    if (u + 2 < tile->units) ck_s4_expand(after, b + 2 * unit_bytes, group, zeros);
    if (u > 0) ck_s4_scale(total, sums_of[(u - 1) % 2], scales, rows);
    scales = _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)b));
    char *const done = wide;
    wide = next, next = after, after = done;
  }
  if (half) ck_tiles_lay_out(CK_SIDE, row_bytes, steps * CK_ELEMENT_BYTES / 4);
  if (tile->units > 0) ck_s4_scale(total, sums_of[(tile->units - 1) % 2], scales, rows);
  for (size_t i = 0; i < rows; i++)
    _mm512_mask_storeu_ps((char *)tile->to + i * tile->to_stride * 4, mask, _mm512_load_ps(total + i * CK_NR));
}

#define CK_S4_AMX_FUNCTIONS(name, group, zeros)                                                                        \
  static void name##_tile(const ck_matmul_tile *tile) {                                                                \
    if (tile->rows > CK_SIDE)                                                                                          \
      ck_s4_tile_body(tile, group, zeros, false);                                                                      \
    else                                                                                                               \
      ck_s4_tile_body(tile, group, zeros, true);                                                                       \
  }                                                                                                                    \
  static void name##_pack_b(void *panel, void *extra, const ck_matmul_source *source, size_t first, size_t columns,    \
                            size_t from, size_t depth) {                                                               \
    ck_pack_b(panel, source, first, columns, from, depth, group, zeros);                                               \
  }

#define CK_S4_AMX_KERNEL(name, isa, size, zeros, ...)                                                                  \
  const ck_matmul_kernel ck_matmul_##name##_##isa = {                                                                  \
      .mr = CK_ROWS,                                                                                                   \
      .nr = CK_NR,                                                                                                     \
      .grain = CK_ROWS,                                                                                                \
      .unit = size,                                                                                                    \
      .unit_bytes = CK_S4_UNIT_BYTES(CK_NR, size, zeros),                                                              \
      .one_panel = true,                                                                                               \
      .sums = CK_F32,                                                                                                  \
      .pack_b = name##_pack_b,                                                                                         \
      .tile = name##_tile,                                                                                             \
      .leave = ck_tiles_leave,                                                                                         \
      __VA_ARGS__,                                                                                                     \
  };
