// Backward by tiles of AMX. Scores stand on their side, keys in rows and queries in lanes: so probabilities and slopes
// are rows of the products over queries as they come, and, two keys to a word, columns of the product over keys, whose
// sums, the gradients of queries, stand on their side, too.
// Tiles of keys outside, tiles of queries inside, in these CK_TILE_ROWS keys at a time.

enum {
  CK_NAME(P_ROW) = CK_QUERY_TILE / 2 + CK_PAD, // distance of rows of p and ds, in words
  CK_NAME(DS_ROW) = CK_QUERY_TILE + CK_PAD,    // of pairs of keys
  CK_NAME(SCORES) = CK_KEY_BLOCK + CK_PAD,     // of scores
};
#define CK_P_ROW CK_NAME(P_ROW)
#define CK_DS_ROW CK_NAME(DS_ROW)
#define CK_SCORES_ROW CK_NAME(SCORES)

// What one head needs of its rows: queries and gradients of outputs, as columns and as groups of rows, minus L (see
// CK_EXPONENT_BIAS), minus D, and sums of the gradients of queries: a row for each column of the width, in each unit of
// 32 queries in the order in which CK_NAME(store_slopes) leaves them.
typedef struct CK_NAME(head) {
  size_t words, padded, d_queries_row;
  float *query_columns, *query_groups, *d_output_columns, *d_output_groups, *d_queries, *shift, *mean;
} CK_NAME(head);

// A tile of `here` keys from j0 on: keys and values as rows, keys turned over, and sums of its gradients.
typedef struct CK_NAME(tile) {
  size_t j0, here;
  float *keys, *values, *turned, *d_keys, *d_values;
} CK_NAME(tile);

// Of CK_TILE_ROWS keys and a tile of queries: probabilities and slopes in words along the queries; slopes of all keys
// of the tile in words of two keys; and scores and slopes of a block of queries on their way there.
typedef struct CK_NAME(work) {
  float *p, *ds, *ds_pairs, *scores, *slopes;
} CK_NAME(work);

// Slopes of CK_STEP queries for two keys, as words of queries, become words of the two keys. Inside of 128 bits, which
// costs least: the first vector has queries 0-3, 8-11, 16-19 and 24-27, the second one the others.
CK_VECTOR void CK_NAME(store_slopes)(float *to, vfloat even, vfloat odd) {
  vstore(to, (vfloat)_mm512_unpacklo_epi16((__m512i)even, (__m512i)odd));
  vstore(to + CK_LANES, (vfloat)_mm512_unpackhi_epi16((__m512i)even, (__m512i)odd));
}

// Queries that see a key: from[k] ... to - 1 of the ones at hand.
typedef struct CK_NAME(span) {
  int32_t from[CK_TILE_ROWS], to;
} CK_NAME(span);

// CK_STEP queries from q on and two keys; see CK_NAME(gradients).
CK_VECTOR void CK_NAME(gradient_pair)(const bool whole, const CK_NAME(span) * span, size_t k, size_t q,
                                      const float *scores, const float *slopes, float scale, const float *shift,
                                      float *p, float *ds, float *ds_pairs) {
  vfloat words[2];
#pragma unroll
  for (size_t i = 0; i < 2; i++) {
    vfloat e[2], g[2];
#pragma unroll
    for (size_t h = 0; h < 2; h++) {
      const size_t at = i * CK_SCORES_ROW + h * CK_LANES;
      e[h] = CK_NAME(power2_rough)(vfma(vload(scores + at), (vfloat)(scale), vload(shift + h * CK_LANES)));
      g[h] = e[h] * vload(slopes + at);
      if (!whole) {
        const vint query = viota() + (int32_t)(q + h * CK_LANES);
        const vint seen = (query >= span->from[k + i]) & (query < span->to);
        e[h] = seen ? e[h] : (vfloat)(0.0f);
        g[h] = seen ? g[h] : (vfloat)(0.0f);
      }
    }
    vstore(p + i * CK_P_ROW, CK_NAME(narrow_words)(e[0], e[1]));
    words[i] = CK_NAME(narrow_words)(g[0], g[1]);
    vstore(ds + i * CK_P_ROW, words[i]);
  }
  CK_NAME(store_slopes)(ds_pairs, words[0], words[1]);
}

// Scores of CK_TILE_ROWS keys and the queries q ... end - 1, and products of values and gradients of outputs less D,
// become probabilities and slopes (without 1/sqrt(D)). q and end are multiples of CK_STEP.
static void CK_NAME(gradients)(const CK_NAME(span) * span, size_t q, size_t end, float scale, const float *shift,
                               const CK_NAME(work) * work, float *ds_pairs) {
  for (size_t k = 0; k < CK_TILE_ROWS; k += 2) {
    const float *scores = work->scores + k * CK_SCORES_ROW, *slopes = work->slopes + k * CK_SCORES_ROW;
    float *p = work->p + k * CK_P_ROW, *ds = work->ds + k * CK_P_ROW, *pairs = ds_pairs + k / 2 * CK_DS_ROW;
    for (size_t at = q; at < end; at += CK_STEP, scores += CK_STEP, slopes += CK_STEP) {
      const bool whole = (int32_t)at >= span->from[k + 1] && (int32_t)(at + CK_STEP) <= span->to;
      if (whole)
        CK_NAME(gradient_pair)(true, span, k, at, scores, slopes, scale, shift + at, p + at / 2, ds + at / 2,
                               pairs + at);
      else
        CK_NAME(gradient_pair)(false, span, k, at, scores, slopes, scale, shift + at, p + at / 2, ds + at / 2,
                               pairs + at);
    }
  }
}

// Keys k ... k + CK_TILE_ROWS - 1 of a tile and the queries i0 ... i0 + n - 1: p and ds, and what the gradients of the
// keys and values gain. Returns the first of the queries that sees one of the keys, rounded down to a unit.
static size_t CK_NAME(gradients_of_keys)(const ck_attention_job *job, const CK_NAME(head) * head,
                                         const CK_NAME(tile) * tile, size_t k, size_t i0, size_t n, bool first,
                                         const CK_NAME(work) * work, CK_NAME(feeds) * feeds) {
  const size_t padded = head->padded, words = head->words, units = words / CK_LANES;
  const size_t end = ck_round_up(n, CK_STEP), offset = job->shape.keys - job->shape.queries + i0;
  CK_NAME(span) span = {.to = (int32_t)n};
  for (size_t i = 0; i < CK_TILE_ROWS; i++) {
    const size_t key = tile->j0 + k + i;
    const bool later = job->mask == CK_ATTENTION_CAUSAL && key > offset;
    span.from[i] = (int32_t)(k + i >= tile->here ? end : later ? ck_min(key - offset, end) : 0);
  }
  const size_t start = (size_t)span.from[0] / CK_STEP * CK_STEP;
  float *pairs = work->ds_pairs + k / 2 * CK_DS_ROW;
  for (size_t q = start, next; q < end; q = next) {
    next = ck_min((i0 + q) / CK_KEY_BLOCK * CK_KEY_BLOCK + CK_KEY_BLOCK - i0, end);
    const size_t column = (i0 + q) / CK_KEY_BLOCK * CK_KEY_BLOCK * words + (i0 + q) % CK_KEY_BLOCK;
    CK_NAME(tiles)
    product = {.m = CK_TILE_ROWS / CK_SIDE,
               .n = (next - q) / CK_SIDE,
               .units = units,
               .a = tile->keys + k * words,
               .a_row = words,
               .b = head->query_columns + column,
               .b_row = CK_KEY_BLOCK,
               .c = work->scores,
               .c_row = CK_SCORES_ROW};
    CK_NAME(feed)(feeds);
    CK_NAME(tile_product)(&product);
    product.a = tile->values + k * words;
    product.b = head->d_output_columns + column;
    product.from = head->mean + i0 + q; // the same row for all keys
    product.c = work->slopes;
    CK_NAME(tile_product)(&product);
    CK_NAME(gradients)(&span, q, next, job->scale2 * CK_EXPONENT_SCALE, head->shift + i0, work, pairs);
  }
  float *d_values = tile->d_values + k * padded, *d_keys = tile->d_keys + k * padded;
  CK_NAME(tiles)
  product = {.m = CK_TILE_ROWS / CK_SIDE,
             .n = padded / CK_SIDE,
             .units = (end - start) / CK_STEP,
             .a = work->p + start / 2,
             .a_row = CK_P_ROW,
             .b = head->d_output_groups + (i0 + start) / 2 * padded,
             .b_row = padded,
             .from = first ? NULL : d_values,
             .from_row = padded,
             .c = d_values,
             .c_row = padded};
  CK_NAME(tile_product)(&product);
  product.a = work->ds + start / 2;
  product.b = head->query_groups + (i0 + start) / 2 * padded;
  product.from = first ? NULL : d_keys;
  product.c = d_keys;
  CK_NAME(tile_product)(&product);
  return start;
}

// The queries i0 ... i0 + n - 1 gain what comes through a tile of keys; start[b] is the first one that sees keys from
// b CK_TILE_ROWS on.
static void CK_NAME(gradients_of_queries)(const CK_NAME(head) * head, const CK_NAME(tile) * tile, size_t i0, size_t n,
                                          const size_t *start, const float *ds_pairs) {
  const size_t blocks = ck_ceil_div(tile->here, CK_TILE_ROWS);
  for (size_t q = start[0], units = 0; q < n; q += CK_STEP) {
    while (units < blocks && start[units] <= q) units++;
    float *c = head->d_queries + i0 + q;
    CK_NAME(tiles)
    product = {.m = head->padded / CK_SIDE,
               .n = CK_STEP / CK_SIDE,
               .units = units,
               .a = tile->turned,
               .a_row = CK_KEY_TILE / 2,
               .b = ds_pairs + q,
               .b_row = CK_DS_ROW,
               .from = tile->j0 == 0 ? NULL : c,
               .from_row = head->d_queries_row,
               .c = c,
               .c_row = head->d_queries_row};
    CK_NAME(tile_product)(&product);
  }
}

// Writes the gradients of a head's queries. `rows`: scratch of CK_STEP rows.
static void CK_NAME(write_queries)(const ck_attention_shape *shape, const CK_NAME(head) * head, float scale,
                                   float *rows, CK_ELEMENT *target) {
  const size_t padded = head->padded;
  for (size_t i = 0; i < shape->queries; i += CK_STEP) {
    for (size_t d = 0; d < padded; d += CK_LANES)
      for (size_t half = 0; half < 2; half++) {
        vfloat x[CK_LANES];
        const float *from = head->d_queries + d * head->d_queries_row + i + half * CK_LANES;
#pragma unroll
        for (size_t l = 0; l < CK_LANES; l++) x[l] = vload(from + l * head->d_queries_row);
        CK_NAME(transpose)(x);
#pragma unroll
        for (size_t l = 0; l < CK_LANES; l++) vstore(rows + (l / 4 * 8 + half * 4 + l % 4) * padded + d, x[l]);
      }
    CK_NAME(write_rows)(ck_min(CK_STEP, shape->queries - i), shape->width, padded, rows, scale,
                        target + i * shape->d_query_row, shape->d_query_row);
  }
}

// All that the rows of a head need.
static void CK_NAME(pack_head)(const ck_attention_shape *shape, const CK_NAME(operands) * now, const float *log_sum_exp,
                               const CK_NAME(head) * head) {
  const size_t rows = shape->queries, width = shape->width, padded = head->padded;
  CK_NAME(pack_groups)(rows, width, padded, now->query, shape->query_row, head->query_groups);
  CK_NAME(pack_pairs)(rows, width, padded, now->d_output, shape->d_output_row, NULL, 0, head->d_output_groups,
                      now->output, shape->output_row, head->mean);
  CK_NAME(pad_groups)(ck_ceil_div(rows, CK_GROUP), padded, head->query_groups);
  CK_NAME(pad_groups)(ck_ceil_div(rows, CK_GROUP), padded, head->d_output_groups);
  CK_NAME(pack_columns)(rows, width, now->query, shape->query_row, head->query_columns);
  CK_NAME(pack_columns)(rows, width, now->d_output, shape->d_output_row, head->d_output_columns);
  CK_NAME(shifts)(rows, log_sum_exp, head->shift);
}

// Rows of keys or values, with zeros behind them up to a block.
static void CK_NAME(pack_tile_rows)(size_t rows, size_t width, size_t words, const CK_ELEMENT *source,
                                    size_t source_row, float *packed) {
  CK_NAME(pack_rows)(rows, width, source, source_row, packed, words);
  memset(packed + rows * words, 0, (ck_round_up(rows, CK_TILE_ROWS) - rows) * words * sizeof *packed);
}

static void CK_NAME(pack_tile)(const ck_attention_shape *shape, const CK_NAME(operands) * now,
                               const CK_NAME(head) * head, const CK_NAME(tile) * tile, float *groups) {
  const size_t here = tile->here, width = shape->width, padded = head->padded;
  const CK_ELEMENT *keys = now->key + tile->j0 * shape->key_row, *values = now->value + tile->j0 * shape->value_row;
  CK_NAME(pack_tile_rows)(here, width, head->words, keys, shape->key_row, tile->keys);
  CK_NAME(pack_tile_rows)(here, width, head->words, values, shape->value_row, tile->values);
  CK_NAME(pack_groups)(here, width, padded, keys, shape->key_row, groups);
  CK_NAME(pad_groups)(ck_ceil_div(here, CK_GROUP), padded, groups);
  for (size_t j = 0; j < ck_ceil_div(here, CK_GROUP); j += CK_LANES)
    for (size_t d = 0; d < padded; d += CK_LANES) {
      vfloat x[CK_LANES];
#pragma unroll
      for (size_t l = 0; l < CK_LANES; l++) x[l] = vload(groups + (j + l) * padded + d);
      CK_NAME(transpose)(x);
#pragma unroll
      for (size_t l = 0; l < CK_LANES; l++) vstore(tile->turned + (d + l) * (CK_KEY_TILE / 2) + j, x[l]);
    }
}

// One head of keys of one sequence: the heads of queries of its group, one after the other.
static void CK_NAME(ck_attention_backward)(ck_worker *worker, const void *opaque, size_t task) {
  const ck_attention_job *job = opaque;
  const ck_attention_shape *shape = &job->shape;
  const size_t b = task / shape->kv_heads, kv = task % shape->kv_heads, width = shape->width;
  const size_t group = shape->heads / shape->kv_heads, queries = shape->queries;
  const size_t words = CK_WORDS(width), padded = ck_round_up(width, CK_LANES);
  const size_t tasks = shape->batch * shape->kv_heads, next_task = task + ck_worker_count(worker);

  float *scratch = ck_worker_scratch(worker);
  const size_t rows = ck_round_up(queries, CK_KEY_BLOCK), sums = group > 1 ? shape->keys : CK_KEY_TILE;
  const CK_NAME(head) head = {.words = words,
                              .padded = padded,
                              .d_queries_row = rows + CK_PAD,
                              .query_columns = ck_take(&scratch, rows * words),
                              .query_groups = ck_take(&scratch, rows / 2 * padded),
                              .d_output_columns = ck_take(&scratch, rows * words),
                              .d_output_groups = ck_take(&scratch, rows / 2 * padded),
                              .d_queries = ck_take(&scratch, padded * (rows + CK_PAD)),
                              .shift = ck_take(&scratch, rows),
                              .mean = ck_take(&scratch, rows)};
  CK_NAME(tile)
  tile = {.keys = ck_take(&scratch, CK_KEY_TILE * words),
          .values = ck_take(&scratch, CK_KEY_TILE * words),
          .turned = ck_take(&scratch, CK_KEY_TILE / 2 * padded)};
  const size_t sum_rows = ck_round_up(sums, CK_TILE_ROWS);
  float *d_keys = ck_take(&scratch, sum_rows * padded), *d_values = ck_take(&scratch, sum_rows * padded);
  const CK_NAME(work) work = {.p = ck_take(&scratch, CK_TILE_ROWS * CK_P_ROW),
                              .ds = ck_take(&scratch, CK_TILE_ROWS * CK_P_ROW),
                              .ds_pairs = ck_take(&scratch, CK_KEY_TILE / 2 * CK_DS_ROW),
                              .scores = ck_take(&scratch, CK_TILE_ROWS * CK_SCORES_ROW),
                              .slopes = ck_take(&scratch, CK_TILE_ROWS * CK_SCORES_ROW)};
  float *spare = scratch; // of CK_KEY_TILE / 2 rows

  ck_tiles_enter();
  for (size_t g = 0; g < group; g++) {
    const size_t h = kv * group + g;
    const bool last = g + 1 == group, more = !last || next_task < tasks;
    const CK_NAME(operands) now = CK_NAME(operands_of)(job, b, h);
    const CK_NAME(operands) next =
        !last  ? CK_NAME(operands_of)(job, b, h + 1)
        : more ? CK_NAME(operands_of)(job, next_task / shape->kv_heads, next_task % shape->kv_heads * group)
               : now;
    CK_NAME(pack_head)(shape, &now, job->log_sum_exp + (b * shape->heads + h) * queries, &head);
    CK_NAME(feeds) feeds = {};
    bool fed = !more;
    for (size_t j0 = 0; j0 < shape->keys; j0 += CK_KEY_TILE) {
      tile.j0 = j0;
      tile.here = ck_min(CK_KEY_TILE, shape->keys - j0);
      tile.d_keys = d_keys + (group > 1 ? j0 * padded : 0);
      tile.d_values = d_values + (group > 1 ? j0 * padded : 0);
      CK_NAME(pack_tile)(shape, &now, &head, &tile, spare);
      CK_NAME(feed_tile)(job, &now, j0, &feeds);
      if (!fed && j0 + 2 * CK_KEY_TILE >= shape->keys) CK_NAME(feed_head)(job, &next, j0, &feeds), fed = true;
      // All queries that do not see all of the keys are in the first tile, which is longer than that of the keys.
      const size_t start = CK_NAME(first_query)(job, j0);
      for (size_t i0 = start; i0 < queries; i0 += CK_QUERY_TILE) {
        const size_t n = ck_min(CK_QUERY_TILE, queries - i0);
        size_t first[CK_KEY_TILE / CK_TILE_ROWS];
        for (size_t k = 0; k < tile.here; k += CK_TILE_ROWS) {
          first[k / CK_TILE_ROWS] =
              CK_NAME(gradients_of_keys)(job, &head, &tile, k, i0, n, g == 0 && i0 == start, &work, &feeds);
        }
        CK_NAME(gradients_of_queries)(&head, &tile, i0, n, first, work.ds_pairs);
      }
      if (!last) continue;
      CK_NAME(write_rows)(tile.here, width, padded, tile.d_values, 1, now.d_value + j0 * shape->d_value_row,
                          shape->d_value_row);
      CK_NAME(write_rows)(tile.here, width, padded, tile.d_keys, job->scale, now.d_key + j0 * shape->d_key_row,
                          shape->d_key_row);
    }
    CK_NAME(write_queries)(shape, &head, job->scale, spare, now.d_query);
  }
  ck_tiles_leave();
}
#undef CK_P_ROW
#undef CK_DS_ROW
#undef CK_SCORES_ROW
