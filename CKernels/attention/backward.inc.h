// Backward: probabilities are recomputed from the log-sum-exp. Tiles of keys outside, tiles of queries inside.

#define CK_PAST ((CK_BLOCK_ROWS + CK_STEP - 1) / CK_STEP * CK_GROUP) // vectors of CK_BLOCK_ROWS keys

// What one head needs of its rows: queries and gradients of outputs, as rows and as groups of rows (the same for
// CK_GROUP 1), gradients of queries, L in base 2 and D.
typedef struct CK_NAME(head) {
  size_t words, words_row, padded;
  float *queries, *query_groups, *d_outputs, *d_output_groups, *d_queries, *log_sum_exp, *mean;
} CK_NAME(head);

// A tile of keys in all the forms that are needed, and sums of its gradients.
typedef struct CK_NAME(tile) {
  float *keys, *key_columns, *value_columns, *d_keys, *d_values;
} CK_NAME(tile);

// Probabilities and derivatives of the scores (without 1/sqrt(D)) of one vector of keys.
CK_VECTOR vfloat CK_NAME(gradient)(const float *scores, const float *slopes, float scale2, float log_sum_exp,
                                   float mean, vfloat *slope) {
  vfloat p = CK_NAME(power2)(vfma(vload(scores), (vfloat)(scale2), (vfloat)(-log_sum_exp)));
  *slope = p * (vload(slopes) - mean);
  return p;
}

CK_VECTOR vfloat CK_NAME(seen_only)(size_t seen, size_t first, vfloat x) {
  return viota() < (int32_t)seen - (int32_t)first ? x : (vfloat)(0.0f);
}

// CK_GROUP rows of scores and of their products with the values become p and ds: words along the rows' number in p and
// ds, along the keys in ds_rows (not used for CK_GROUP 1, where they are the same; there scores and slopes are p and ds
// themselves). Row g sees seen[g] keys; `whole`: both see all keys of all vectors.
CK_VECTOR void CK_NAME(gradient_rows)(const bool whole, size_t vectors, const size_t *seen, const float *scores,
                                      const float *slopes, float scale2, const float *log_sum_exp, const float *mean,
                                      float *p, float *ds, float *ds_rows) {
#if CK_GROUP == 1
  for (size_t v = 0; v < vectors; v++) {
    vfloat g, e = CK_NAME(gradient)(scores + v * CK_LANES, slopes + v * CK_LANES, scale2, log_sum_exp[0], mean[0], &g);
    if (!whole) e = CK_NAME(seen_only)(seen[0], v * CK_LANES, e), g = CK_NAME(seen_only)(seen[0], v * CK_LANES, g);
    vstore(p + v * CK_LANES, e);
    vstore(ds + v * CK_LANES, g);
  }
#else
  typedef uint16_t halves __attribute__((ext_vector_type(32)));
  for (size_t v = 0; v < vectors; v += 2) {
    halves probability[2], slope[2];
#pragma unroll
    for (size_t r = 0; r < 2; r++) {
      vfloat e[2], g[2];
#pragma unroll
      for (size_t i = 0; i < 2; i++) {
        const size_t at = (v + i) * CK_LANES;
        e[i] = CK_NAME(gradient)(scores + r * CK_KEY_TILE + at, slopes + r * CK_KEY_TILE + at, scale2, log_sum_exp[r],
                                 mean[r], &g[i]);
        if (!whole) e[i] = CK_NAME(seen_only)(seen[r], at, e[i]), g[i] = CK_NAME(seen_only)(seen[r], at, g[i]);
      }
      probability[r] = (halves)CK_NAME(narrow_words)(e[0], e[1]);
      slope[r] = (halves)CK_NAME(narrow_words)(g[0], g[1]);
      vstore(ds_rows + r * CK_KEY_TILE / 2 + v / 2 * CK_LANES, (vfloat)slope[r]);
    }
#define CK_LOW_HALVES                                                                                                  \
  0, 32, 1, 33, 2, 34, 3, 35, 4, 36, 5, 37, 6, 38, 7, 39, 8, 40, 9, 41, 10, 42, 11, 43, 12, 44, 13, 45, 14, 46, 15, 47
#define CK_HIGH_HALVES                                                                                                 \
  16, 48, 17, 49, 18, 50, 19, 51, 20, 52, 21, 53, 22, 54, 23, 55, 24, 56, 25, 57, 26, 58, 27, 59, 28, 60, 29, 61, 30,  \
      62, 31, 63
    vstore(p + v * CK_LANES, (vfloat)__builtin_shufflevector(probability[0], probability[1], CK_LOW_HALVES));
    vstore(p + (v + 1) * CK_LANES, (vfloat)__builtin_shufflevector(probability[0], probability[1], CK_HIGH_HALVES));
    vstore(ds + v * CK_LANES, (vfloat)__builtin_shufflevector(slope[0], slope[1], CK_LOW_HALVES));
    vstore(ds + (v + 1) * CK_LANES, (vfloat)__builtin_shufflevector(slope[0], slope[1], CK_HIGH_HALVES));
#undef CK_LOW_HALVES
#undef CK_HIGH_HALVES
  }
#endif
}

// Rows i0 ... i0 + n - 1, i0 a multiple of CK_GROUP, against a tile of `here` keys from j0 on: p, ds and the gradients
// of the queries. position: of row i0.
static void CK_NAME(gradients_of_rows)(const ck_attention_job *job, const CK_NAME(head) * head,
                                       const CK_NAME(tile) * tile, size_t i0, size_t n, size_t position, size_t j0,
                                       size_t here, float *p, float *ds, float *scratch) {
  const size_t tile_vectors = ck_round_up(ck_ceil_div(here, CK_LANES), CK_GROUP);
  size_t seen[CK_BLOCK_ROWS + 1];
  for (size_t r = 0; r < n; r++) seen[r] = ck_seen(job->mask, here, position + r, j0);
  seen[n] = 0; // the second row of the last pair may be missing
  const size_t plain = ck_ceil_div(seen[n - 1], CK_LANES), vectors = ck_round_up(plain, CK_GROUP);
#if CK_GROUP == 1
  float *scores = p, *slopes = ds, *ds_rows = ds;
  const size_t scores_row = CK_TILE_ROW, ds_row = CK_TILE_ROW;
#else
  float *scores = scratch, *slopes = scores + CK_BLOCK_ROWS * CK_KEY_TILE;
  float *ds_rows = slopes + CK_BLOCK_ROWS * CK_KEY_TILE;
  const size_t scores_row = CK_KEY_TILE, ds_row = CK_KEY_TILE / 2;
#endif
  const size_t at = i0 * head->words_row;
  CK_NAME(scores)(n, plain, head->words, head->queries + at, head->words_row, tile->key_columns, scores, scores_row);
  CK_NAME(scores)(n, plain, head->words, head->d_outputs + at, head->words_row, tile->value_columns, slopes,
                  scores_row);
  for (size_t r = 0; r < n; r += CK_GROUP) {
    float *p_row = p + r / CK_GROUP * CK_TILE_ROW, *group_ds = ds + r / CK_GROUP * CK_TILE_ROW;
    const float *s = scores + r * scores_row, *g = slopes + r * scores_row;
    const float *l = head->log_sum_exp + i0 + r, *mean = head->mean + i0 + r;
    const bool whole = seen[r] >= vectors * CK_LANES && seen[r + CK_GROUP - 1] >= vectors * CK_LANES;
    if (whole)
      CK_NAME(gradient_rows)(true, vectors, seen + r, s, g, job->scale2, l, mean, p_row, group_ds,
                             ds_rows + r * ds_row);
    else
      CK_NAME(gradient_rows)(false, vectors, seen + r, s, g, job->scale2, l, mean, p_row, group_ds,
                             ds_rows + r * ds_row);
    // Blocks of keys in the products over queries reach past what this row sees, by at most as many as they are.
    for (size_t v = vectors; v < ck_min(tile_vectors, vectors + CK_PAST); v++) {
      vstore(p_row + v * CK_LANES, (vfloat)(0.0f));
      vstore(group_ds + v * CK_LANES, (vfloat)(0.0f));
    }
  }
  CK_NAME(product)
  product = {.steps = ck_ceil_div(seen[n - 1], CK_GROUP),
             .a = ds_rows,
             .a_row = ds_row,
             .b = tile->keys,
             .b_row = head->padded,
             .c = head->d_queries + i0 * head->padded,
             .c_row = head->padded,
             .start = j0 == 0 ? CK_START_ZERO : CK_START_KEEP};
  CK_NAME(product_down)(n, head->padded / CK_LANES, &product);
}

// The gradients of a tile's keys and values gain those through rows i0 ... i0 + n - 1.
static void CK_NAME(gradients_of_keys)(const ck_attention_job *job, const CK_NAME(head) * head,
                                       const CK_NAME(tile) * tile, size_t i0, size_t n, size_t position, size_t j0,
                                       size_t here, const float *p, const float *ds, int start) {
  for (size_t k = 0; k < here; k += CK_BLOCK_ROWS) {
    const size_t block = ck_min(CK_BLOCK_ROWS, here - k), padded = head->padded;
    // The first group of rows that sees key k.
    size_t first = job->mask == CK_ATTENTION_CAUSAL && j0 + k > position ? ck_min(j0 + k - position, n) : 0;
    first /= CK_GROUP;
    CK_NAME(product)
    product = {.steps = ck_ceil_div(n, CK_GROUP) - first,
               .a = p + first * CK_TILE_ROW + k,
               .a_row = CK_TILE_ROW,
               .b = head->d_output_groups + (i0 / CK_GROUP + first) * padded,
               .b_row = padded,
               .c = tile->d_values + k * padded,
               .c_row = padded,
               .start = start};
    CK_NAME(product_across)(block, padded / CK_LANES, &product);
    product.a = ds + first * CK_TILE_ROW + k;
    product.b = head->query_groups + (i0 / CK_GROUP + first) * padded;
    product.c = tile->d_keys + k * padded;
    CK_NAME(product_across)(block, padded / CK_LANES, &product);
  }
}

// L in base 2 and D_i = do_i . o_i.
static void CK_NAME(row_numbers)(size_t rows, size_t width, const CK_ELEMENT *d_output, size_t d_output_row,
                                 const CK_ELEMENT *output, size_t output_row, const float *log_sum_exp,
                                 const CK_NAME(head) * head) {
  for (size_t i = 0; i < rows; i++, d_output += d_output_row, output += output_row) {
    if (i + CK_AHEAD < rows) {
      CK_NAME(prefetch_row)(width, d_output + CK_AHEAD * d_output_row);
      CK_NAME(prefetch_row)(width, output + CK_AHEAD * output_row);
    }
    vfloat total = {0};
    size_t d = 0;
    for (; d + CK_LANES <= width; d += CK_LANES)
      total = vfma(CK_NAME(read)(d_output + d), CK_NAME(read)(output + d), total);
    if (d < width)
      total = vfma(CK_NAME(read_part)(d_output + d, width - d), CK_NAME(read_part)(output + d, width - d), total);
    head->mean[i] = vsum(total);
    head->log_sum_exp[i] = log_sum_exp[i] * 1.44269504088896341f;
  }
  head->mean[rows] = head->log_sum_exp[rows] = 0;
}

// Where a head of queries and its head of keys are.
typedef struct CK_NAME(operands) {
  const CK_ELEMENT *query, *key, *value, *output, *d_output;
  CK_ELEMENT *d_query, *d_key, *d_value;
} CK_NAME(operands);

static CK_NAME(operands) CK_NAME(operands_of)(const ck_attention_job *job, size_t b, size_t h) {
  const ck_attention_shape *shape = &job->shape;
  const size_t at = h * shape->width, kv_at = h / (shape->heads / shape->kv_heads) * shape->width;
  return (CK_NAME(operands)){
      .query = (const CK_ELEMENT *)job->query + b * shape->query_batch + at,
      .key = (const CK_ELEMENT *)job->key + b * shape->key_batch + kv_at,
      .value = (const CK_ELEMENT *)job->value + b * shape->value_batch + kv_at,
      .output = (const CK_ELEMENT *)job->output + b * shape->output_batch + at,
      .d_output = (const CK_ELEMENT *)job->d_output + b * shape->d_output_batch + at,
      .d_query = (CK_ELEMENT *)job->d_query + b * shape->d_query_batch + at,
      .d_key = (CK_ELEMENT *)job->d_key + b * shape->d_key_batch + kv_at,
      .d_value = (CK_ELEMENT *)job->d_value + b * shape->d_value_batch + kv_at,
  };
}

// What is wanted soon after the tile of keys at j0: the next one, or the first rows of the head that comes next.
static ck_feed CK_NAME(feed_backward)(const ck_attention_job *job, const CK_NAME(operands) * now, size_t j0,
                                      const CK_NAME(operands) * next) {
  const ck_attention_shape *shape = &job->shape;
  const size_t width = shape->width, element = sizeof(CK_ELEMENT), start = j0 + CK_KEY_TILE;
  const size_t here = ck_min(CK_KEY_TILE, shape->keys - j0);
  ck_feed feed = {};
  ck_feed_add(&feed, now->d_key + j0 * shape->d_key_row, shape->d_key_row, width, element, here);
  ck_feed_add(&feed, now->d_value + j0 * shape->d_value_row, shape->d_value_row, width, element, here);
  if (start < shape->keys) {
    const size_t then = ck_min(CK_KEY_TILE, shape->keys - start);
    ck_feed_add(&feed, now->key + start * shape->key_row, shape->key_row, width, element, then);
    ck_feed_add(&feed, now->value + start * shape->value_row, shape->value_row, width, element, then);
    return feed;
  }
  const size_t rows = ck_min(shape->queries, 2 * CK_KEY_TILE), keys = ck_min(shape->keys, CK_KEY_TILE);
  ck_feed_add(&feed, now->d_query, shape->d_query_row, width, element, rows);
  if (next == NULL) return feed;
  ck_feed_add(&feed, next->d_output, shape->d_output_row, width, element, rows);
  ck_feed_add(&feed, next->output, shape->output_row, width, element, rows);
  ck_feed_add(&feed, next->query, shape->query_row, width, element, rows);
  ck_feed_add(&feed, next->key, shape->key_row, width, element, keys);
  ck_feed_add(&feed, next->value, shape->value_row, width, element, keys);
  return feed;
}

// One head of keys of one sequence: the heads of queries of its group, one after the other.
static void CK_NAME(ck_attention_backward)(ck_worker *worker, const void *opaque, size_t task) {
  const ck_attention_job *job = opaque;
  const ck_attention_shape *shape = &job->shape;
  const size_t b = task / shape->kv_heads, kv = task % shape->kv_heads, width = shape->width;
  const size_t group = shape->heads / shape->kv_heads, queries = shape->queries;
  const bool causal = job->mask == CK_ATTENTION_CAUSAL;
  const size_t offset = shape->keys - queries, words = ck_ceil_div(width, CK_GROUP);
  const size_t words_row = ck_round_up(words, CK_LANES), padded = ck_round_up(width, CK_LANES);
  const size_t tasks = shape->batch * shape->kv_heads, next_task = task + ck_worker_count(worker);

  float *scratch = ck_worker_scratch(worker);
  const size_t query_rows = ck_round_up(queries, CK_GROUP), sums = group > 1 ? shape->keys : CK_KEY_TILE;
  CK_NAME(head) head = {.words = words, .words_row = words_row, .padded = padded};
  head.query_groups = ck_take(&scratch, query_rows / CK_GROUP * padded);
  head.d_output_groups = ck_take(&scratch, query_rows / CK_GROUP * padded);
  head.queries = CK_GROUP == 1 ? head.query_groups : ck_take(&scratch, queries * words_row);
  head.d_outputs = CK_GROUP == 1 ? head.d_output_groups : ck_take(&scratch, queries * words_row);
  head.d_queries = ck_take(&scratch, queries * padded);
  head.log_sum_exp = ck_take(&scratch, queries + 1);
  head.mean = ck_take(&scratch, queries + 1);
  CK_NAME(tile)
  tile = {.keys = ck_take(&scratch, CK_KEY_TILE / CK_GROUP * padded),
          .key_columns = ck_take(&scratch, CK_KEY_TILE * words),
          .value_columns = ck_take(&scratch, CK_KEY_TILE * words)};
  float *d_keys = ck_take(&scratch, sums * padded), *d_values = ck_take(&scratch, sums * padded);
  float *p = ck_take(&scratch, CK_QUERY_TILE * CK_TILE_ROW), *ds = ck_take(&scratch, CK_QUERY_TILE * CK_TILE_ROW);

  for (size_t g = 0; g < group; g++) {
    const size_t h = kv * group + g;
    const bool last = g + 1 == group, more = !last || next_task < tasks;
    const CK_NAME(operands) now = CK_NAME(operands_of)(job, b, h);
    const CK_NAME(operands) next =
        !last  ? CK_NAME(operands_of)(job, b, h + 1)
        : more ? CK_NAME(operands_of)(job, next_task / shape->kv_heads, next_task % shape->kv_heads * group)
               : now;
    CK_NAME(row_numbers)(queries, width, now.d_output, shape->d_output_row, now.output, shape->output_row,
                         job->log_sum_exp + (b * shape->heads + h) * queries, &head);
    CK_NAME(pack_groups)(queries, width, padded, now.query, shape->query_row, head.query_groups);
    CK_NAME(pack_groups)(queries, width, padded, now.d_output, shape->d_output_row, head.d_output_groups);
#if CK_GROUP > 1
    CK_NAME(pack_rows)(queries, width, now.query, shape->query_row, head.queries, words_row);
    CK_NAME(pack_rows)(queries, width, now.d_output, shape->d_output_row, head.d_outputs, words_row);
#endif
    for (size_t j0 = 0; j0 < shape->keys; j0 += CK_KEY_TILE) {
      const size_t here = ck_min(CK_KEY_TILE, shape->keys - j0);
      CK_NAME(pack_groups)(here, width, padded, now.key + j0 * shape->key_row, shape->key_row, tile.keys);
      CK_NAME(pack_columns)(here, width, now.key + j0 * shape->key_row, shape->key_row, tile.key_columns);
      CK_NAME(pack_columns)(here, width, now.value + j0 * shape->value_row, shape->value_row, tile.value_columns);
      tile.d_keys = d_keys + (group > 1 ? j0 * padded : 0);
      tile.d_values = d_values + (group > 1 ? j0 * padded : 0);
      // Queries before `start` see none of these keys.
      const size_t start = causal && j0 > offset ? (j0 - offset) / CK_GROUP * CK_GROUP : 0;
      ck_feed feed = CK_NAME(feed_backward)(job, &now, j0, more ? &next : NULL);
      const size_t feed_rows = ck_ceil_div(feed.rows, ck_ceil_div(queries - start, CK_BLOCK_ROWS));
      for (size_t i0 = start; i0 < queries; i0 += CK_QUERY_TILE) {
        const size_t n = ck_min(CK_QUERY_TILE, queries - i0);
        for (size_t r = 0; r < n; r += CK_BLOCK_ROWS) {
          ck_feed_some(&feed, feed_rows);
          CK_NAME(gradients_of_rows)(job, &head, &tile, i0 + r, ck_min(CK_BLOCK_ROWS, n - r), offset + i0 + r, j0, here,
                                     p + r / CK_GROUP * CK_TILE_ROW, ds + r / CK_GROUP * CK_TILE_ROW, scratch);
        }
        CK_NAME(gradients_of_keys)(job, &head, &tile, i0, n, offset + i0, j0, here, p, ds,
                                   g == 0 && i0 == start ? CK_START_ZERO : CK_START_KEEP);
      }
      if (!last) continue;
      CK_NAME(write_rows)(here, width, padded, tile.d_keys, job->scale, now.d_key + j0 * shape->d_key_row,
                          shape->d_key_row);
      CK_NAME(write_rows)(here, width, padded, tile.d_values, 1, now.d_value + j0 * shape->d_value_row,
                          shape->d_value_row);
    }
    CK_NAME(write_rows)(queries, width, padded, head.d_queries, job->scale, now.d_query, shape->d_query_row);
  }
}
#undef CK_PAST
