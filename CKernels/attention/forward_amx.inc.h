// How a block of rows meets a panel of keys by tiles of AMX. A block's rows are multiplied by all keys that its last
// row sees: probabilities of keys that a row does not see are zero, and values that are not finite need care.
#define CK_MEET_ROWS CK_TILE_ROWS
#define CK_FEED_ROWS 4 // after which some more is fetched: fetching more at once would have to wait for itself
#define CK_SCORES_ROW (CK_PANEL + CK_PAD) // not a power of two, which would meet in few sets of the cache

// Zeros behind `groups` packed groups of rows, to the end of a unit.
static void CK_NAME(pad_groups)(size_t groups, size_t padded, float *packed) {
  for (size_t at = groups * padded; at < ck_round_up(groups, CK_SIDE) * padded; at += CK_LANES)
    vstore(packed + at, (vfloat)(0.0f));
}

// The words hold neither infinity nor NaN.
static bool CK_NAME(all_finite)(size_t words, const float *packed) {
  const __m512i exponents = _mm512_set1_epi32(0x7f807f80);
  __mmask32 found = 0;
  for (size_t i = 0; i < words; i += CK_LANES)
    found |= _mm512_cmpeq_epi16_mask(_mm512_and_si512(_mm512_loadu_si512(packed + i), exponents), exponents);
  return found == 0;
}

// Row by row, so that no row meets values that it does not see, be it with probability 0. The bits of finite values.
static void CK_NAME(meet_apart)(size_t n, const size_t *seen, bool first, const float *scores, const float *values,
                                size_t padded, float *sums, float *scratch) {
  float *last = scratch, *result = last + CK_SIDE * padded;
  for (size_t r = 0; r < n; r++) {
    const size_t whole = seen[r] / CK_STEP, rest = seen[r] % CK_STEP;
    const float *from = values + whole * CK_SIDE * padded;
    for (size_t t = 0; t < CK_SIDE; t++)
      for (size_t d = 0; d < padded; d += CK_LANES) {
        vint words = 0;
        if (2 * t < rest) words = (vint)vload(from + t * padded + d);
        if (2 * t + 1 == rest) words &= 0xffff;
        vstore(last + t * padded + d, (vfloat)words);
      }
    CK_NAME(tiles)
    p = {.m = 1,
         .n = padded / CK_SIDE,
         .units = whole,
         .a = scores + r * CK_SCORES_ROW,
         .a_row = CK_SCORES_ROW,
         .b = values,
         .b_row = padded,
         .from = first ? NULL : sums + r * padded,
         .from_row = padded,
         .c = result,
         .c_row = padded};
    CK_NAME(tile_product)(&p);
    p.units = rest != 0;
    p.a += whole * CK_LANES;
    p.b = last;
    p.from = result;
    CK_NAME(tile_product)(&p);
    memcpy(sums + r * padded, result, padded * sizeof *result);
  }
}

// The rows r0 ... r0 + n - 1 of a chunk meet a panel of keys; row r0 + i sees the first seen[i] of them.
static void CK_NAME(meet)(size_t n, const size_t *seen, bool first, bool stairs, const float *query, size_t words,
                          size_t words_row, const float *keys, const float *values, size_t value_row, size_t padded,
                          float scale2, float *scores, ck_feed *feed, size_t feed_rows, CK_NAME(rows) rows) {
  const size_t columns = ck_ceil_div(seen[n - 1], CK_SIDE), vectors = ck_round_up(columns, CK_GROUP);
  CK_NAME(tiles)
  p = {.m = ck_ceil_div(n, CK_SIDE),
       .units = words / CK_SIDE,
       .a = query,
       .a_row = words_row,
       .b = keys,
       .b_row = CK_KEY_BLOCK,
       .c = scores,
       .c_row = CK_SCORES_ROW};
  for (size_t v = 0; v < columns; v += CK_KEY_BLOCK / CK_SIDE) {
    p.n = ck_min(columns - v, CK_KEY_BLOCK / CK_SIDE);
    CK_NAME(tile_product)(&p);
    p.b += words * CK_KEY_BLOCK;
    p.c += CK_KEY_BLOCK;
  }
  for (size_t r = 0; r < n; r += CK_FEED_ROWS) {
    const size_t here = ck_min(n - r, CK_FEED_ROWS);
    ck_feed_some(feed, feed_rows);
    float factor[CK_PAD];
    CK_NAME(soften)(here, seen + r, first, vectors, scale2, scores + r * CK_SCORES_ROW, CK_SCORES_ROW, factor,
                    (CK_NAME(rows)){.total = rows.total + r * CK_LANES, .maximum = rows.maximum + r});
    for (size_t i = 0; !first && i < here; i++) {
      if (factor[i] == 1) continue;
      float *sums = rows.sums + (r + i) * padded;
      for (size_t d = 0; d < padded; d += CK_LANES) vstore(sums + d, vload(sums + d) * factor[i]);
    }
  }
  if (stairs)
    return CK_NAME(meet_apart)(n, seen, first, scores, values, padded, rows.sums,
                               scores + CK_TILE_ROWS * CK_SCORES_ROW);
  p.n = padded / CK_SIDE;
  p.units = vectors / CK_GROUP;
  p.a = scores;
  p.a_row = CK_SCORES_ROW;
  p.b = values;
  p.b_row = padded;
  p.from = first ? NULL : rows.sums;
  p.from_row = padded;
  p.c = rows.sums;
  p.c_row = padded;
  CK_NAME(tile_product)(&p);
}
