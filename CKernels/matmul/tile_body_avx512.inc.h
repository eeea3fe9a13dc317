// The body of the tiles of tile_avx512.inc.h, once more where a panel is expanded meanwhile.
//   CK_TILE_BODY     the function's name
//   CK_TILE_EXPANDS  defined: the tile also expands its share of tile->expand (matmul/mask_ahead_avx512.inc.h)
CK_INLINE void CK_TILE_BODY(const ck_matmul_tile *tile, const size_t rows, const size_t panels) {
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
#if defined(CK_TILE_EXPANDS)
  ck_mask_pace pace = ck_mask_pace_of(tile->expand, tile->units / CK_MATMUL_STEP);
#endif
  // With few rows B comes from memory, and the stores are few.
  const bool apart = CK_UNIT_GROUPS == 1 && panels == 1 && rows > 5 && tile->columns == CK_NR && tile->units >= CK_LAST;
  const size_t units = tile->units - (apart ? CK_LAST : 0);
  size_t u = 0;
#pragma clang loop unroll(disable)
  for (; u + CK_MATMUL_STEP <= units; u += CK_MATMUL_STEP) {
    ck_prefetch_step(&prefetch);
#if defined(CK_TILE_EXPANDS)
    ck_mask_step(&pace, tile->expand);
#endif
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
#undef CK_TILE_BODY
