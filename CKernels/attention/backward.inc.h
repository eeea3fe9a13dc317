// Backward: probabilities are recomputed from the log-sum-exp. Tiles of keys outside, tiles of queries inside.

#define CK_PAST ((CK_BLOCK_ROWS + CK_STEP - 1) / CK_STEP * CK_GROUP) // vectors of CK_BLOCK_ROWS keys

// What one head needs of its rows: queries and gradients of outputs, as rows and as groups of rows (the same for
// CK_GROUP 1), gradients of queries, minus L in base 2 (see CK_EXPONENT_BIAS), and minus D.
typedef struct CK_NAME(head) {
  size_t words, words_row, padded;
  float *queries, *query_groups, *d_outputs, *d_output_groups, *d_queries, *shift, *mean;
} CK_NAME(head);

// A tile of `here` keys from j0 on in all the forms that are needed, and sums of its gradients.
typedef struct CK_NAME(tile) {
  size_t j0, here;
  float *keys, *key_columns, *value_columns, *d_keys, *d_values;
} CK_NAME(tile);

CK_VECTOR vfloat CK_NAME(seen_only)(size_t seen, size_t first, vfloat x) {
  return viota() < (int32_t)seen - (int32_t)first ? x : (vfloat)(0.0f);
}

#if CK_GROUP == 1
// Scores of a row and their products with the values less D, in place, become p and ds (without 1/sqrt(D)). The row
// sees `seen` keys; `shift`: minus L.
CK_VECTOR void CK_NAME(gradient_row)(size_t vectors, size_t seen, float scale, float shift, float *p, float *ds) {
  const size_t whole = seen / CK_LANES;
  for (size_t v = 0; v < whole; v++, p += CK_LANES, ds += CK_LANES) {
    const vfloat e = CK_NAME(power2)(vfma(vload(p), (vfloat)(scale), (vfloat)(shift)));
    vstore(p, e);
    vstore(ds, e * vload(ds));
  }
  for (size_t v = whole; v < vectors; v++, p += CK_LANES, ds += CK_LANES) {
    const vfloat e = CK_NAME(power2)(vfma(vload(p), (vfloat)(scale), (vfloat)(shift)));
    vstore(p, CK_NAME(seen_only)(seen, v * CK_LANES, e));
    vstore(ds, CK_NAME(seen_only)(seen, v * CK_LANES, e * vload(ds)));
  }
}
#else
// 2 CK_LANES scores from key `first` on, and their products with the values less D, become words of p and ds (without
// 1/sqrt(D)); unless `whole`, zero beyond the keys that are seen.
CK_VECTOR void CK_NAME(gradient_words)(const bool whole, size_t seen, size_t first, const float *scores,
                                       const float *slopes, float scale, float shift, vfloat *p, vfloat *ds) {
  vfloat e[2], g[2];
#pragma unroll
  for (size_t i = 0; i < 2; i++) {
    const size_t at = first + i * CK_LANES;
    e[i] = CK_NAME(power2_rough)(vfma(vload(scores + at), (vfloat)(scale), (vfloat)(shift)));
    if (!whole) e[i] = CK_NAME(seen_only)(seen, at, e[i]);
    g[i] = e[i] * vload(slopes + at);
    if (!whole) g[i] = CK_NAME(seen_only)(seen, at, g[i]);
  }
  *p = CK_NAME(narrow_words)(e[0], e[1]);
  *ds = CK_NAME(narrow_words)(g[0], g[1]);
}

// Two rows of scores, CK_KEY_TILE apart, and of their products with the values less D become words of p and ds: along
// the rows' number in p and ds, along the keys in ds_rows. Row r sees seen[r] keys.
CK_VECTOR void CK_NAME(gradient_rows)(const bool whole, size_t from, size_t to, const size_t *seen, const float *scores,
                                      const float *slopes, float scale, const float *shift, float *p, float *ds,
                                      float *ds_rows) {
  for (size_t first = from; first < to; first += CK_STEP) {
    vfloat e[2], g[2];
#pragma unroll
    for (size_t r = 0; r < 2; r++) {
      CK_NAME(gradient_words)(whole, seen[r], first, scores + r * CK_KEY_TILE, slopes + r * CK_KEY_TILE, scale,
                              shift[r], &e[r], &g[r]);
      vstore(ds_rows + (r * CK_KEY_TILE + first) / 2, g[r]);
    }
    CK_NAME(store_pairs)(p, first, SIZE_MAX, e[0], e[1]);
    CK_NAME(store_pairs)(ds, first, SIZE_MAX, g[0], g[1]);
  }
}
#endif

// Rows i0 ... i0 + n - 1, i0 a multiple of CK_GROUP, against a tile of keys: p, ds and the gradients of the queries,
// which are written as soon as they are complete. position: of row i0.
static void CK_NAME(gradients_of_rows)(const ck_attention_job *job, const CK_NAME(operands) * now,
                                       const CK_NAME(head) * head, const CK_NAME(tile) * tile, size_t i0, size_t n,
                                       size_t position, float *p, float *ds, float *scratch) {
  const size_t j0 = tile->j0, here = tile->here, end = j0 + here;
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
  CK_NAME(scores)(n, plain, head->words, head->queries + at, head->words_row, tile->key_columns, NULL, scores,
                  scores_row);
  CK_NAME(scores)(n, plain, head->words, head->d_outputs + at, head->words_row, tile->value_columns, head->mean + i0,
                  slopes, scores_row);
  for (size_t r = 0; r < n; r += CK_GROUP) {
    float *p_row = p + r / CK_GROUP * CK_TILE_ROW, *group_ds = ds + r / CK_GROUP * CK_TILE_ROW;
    const float scale = job->scale2 * CK_EXPONENT_SCALE, *shift = head->shift + i0 + r;
#if CK_GROUP == 1
    CK_NAME(gradient_row)(vectors, seen[r], scale, shift[0], p_row, group_ds);
#else
    const float *s = scores + r * scores_row, *g = slopes + r * scores_row;
    const size_t whole = ck_min(seen[r], seen[r + 1]) / CK_STEP * CK_STEP;
    float *rows = ds_rows + r * ds_row;
    CK_NAME(gradient_rows)(true, 0, whole, seen + r, s, g, scale, shift, p_row, group_ds, rows);
    CK_NAME(gradient_rows)(false, whole, vectors * CK_LANES, seen + r, s, g, scale, shift, p_row, group_ds, rows);
#endif
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
  size_t complete = end == job->shape.keys ? n : 0;
  if (job->mask == CK_ATTENTION_CAUSAL && end > position) complete = ck_min(n, end - position);
  CK_NAME(write_rows)(complete, job->shape.width, head->padded, product.c, job->scale,
                      now->d_query + i0 * job->shape.d_query_row, job->shape.d_query_row);
}

// The gradients of a tile's keys and values gain those through rows i0 ... i0 + n - 1; `last`: after which they are
// complete, and written.
static void CK_NAME(gradients_of_keys)(const ck_attention_job *job, const CK_NAME(operands) * now,
                                       const CK_NAME(head) * head, const CK_NAME(tile) * tile, size_t i0, size_t n,
                                       size_t position, const float *p, const float *ds, int start, bool last,
                                       CK_NAME(feeds) * feeds) {
  const size_t padded = head->padded, j0 = tile->j0;
  for (size_t k = 0; k < tile->here; k += CK_BLOCK_ROWS) {
    const size_t block = ck_min(CK_BLOCK_ROWS, tile->here - k);
    CK_NAME(feed)(feeds);
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
    if (!last) continue;
    const ck_attention_shape *shape = &job->shape;
    CK_NAME(write_rows)(block, shape->width, padded, tile->d_values + k * padded, 1,
                        now->d_value + (j0 + k) * shape->d_value_row, shape->d_value_row);
    CK_NAME(write_rows)(block, shape->width, padded, tile->d_keys + k * padded, job->scale,
                        now->d_key + (j0 + k) * shape->d_key_row, shape->d_key_row);
  }
}

// All that the rows of a head need.
static void CK_NAME(pack_head)(size_t rows, size_t width, const CK_ELEMENT *query, size_t query_row,
                               const CK_ELEMENT *d_output, size_t d_output_row, const CK_ELEMENT *output,
                               size_t output_row, const float *log_sum_exp, const CK_NAME(head) * head) {
#if CK_GROUP == 2
  CK_NAME(pack_pairs)(rows, width, head->padded, query, query_row, head->queries, head->words_row, head->query_groups,
                      NULL, 0, NULL);
  CK_NAME(pack_pairs)(rows, width, head->padded, d_output, d_output_row, head->d_outputs, head->words_row,
                      head->d_output_groups, output, output_row, head->mean);
#else
  CK_NAME(pack_rows)(rows, width, query, query_row, head->queries, head->padded);
  CK_NAME(pack_rows)(rows, width, d_output, d_output_row, head->d_outputs, head->padded);
  for (size_t i = 0; i < rows; i++, output += output_row) {
    if (i + CK_AHEAD < rows) CK_NAME(prefetch_row)(width, output + CK_AHEAD * output_row);
    const float *gradient = head->d_outputs + i * head->padded;
    vfloat total = {0};
    size_t d = 0;
    for (; d + CK_LANES <= width; d += CK_LANES) total = vfma(vload(gradient + d), CK_NAME(read)(output + d), total);
    if (d < width) total = vfma(vload(gradient + d), CK_NAME(read_part)(output + d, width - d), total);
    head->mean[i] = -vsum(total);
  }
#endif
  CK_NAME(shifts)(rows, log_sum_exp, head->shift);
  head->mean[rows] = head->shift[rows] = 0;
}

// One head of keys of one sequence: the heads of queries of its group, one after the other.
static void CK_NAME(ck_attention_backward)(ck_worker *worker, const void *opaque, size_t task) {
  const ck_attention_job *job = opaque;
  const ck_attention_shape *shape = &job->shape;
  const size_t b = task / shape->kv_heads, kv = task % shape->kv_heads, width = shape->width;
  const size_t group = shape->heads / shape->kv_heads, queries = shape->queries;
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
  head.shift = ck_take(&scratch, queries + 1);
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
    CK_NAME(pack_head)(queries, width, now.query, shape->query_row, now.d_output, shape->d_output_row, now.output,
                       shape->output_row, job->log_sum_exp + (b * shape->heads + h) * queries, &head);
    CK_NAME(feeds) feeds = {};
    bool fed = !more;
    for (size_t j0 = 0; j0 < shape->keys; j0 += CK_KEY_TILE) {
      const size_t here = ck_min(CK_KEY_TILE, shape->keys - j0);
      tile.j0 = j0;
      tile.here = here;
      CK_NAME(pack_groups)(here, width, padded, now.key + j0 * shape->key_row, shape->key_row, tile.keys);
      CK_NAME(pack_columns)(here, width, now.key + j0 * shape->key_row, shape->key_row, tile.key_columns);
      CK_NAME(pack_columns)(here, width, now.value + j0 * shape->value_row, shape->value_row, tile.value_columns);
      tile.d_keys = d_keys + (group > 1 ? j0 * padded : 0);
      tile.d_values = d_values + (group > 1 ? j0 * padded : 0);
      CK_NAME(feed_tile)(job, &now, j0, &feeds);
      if (!fed && j0 + 2 * CK_KEY_TILE >= shape->keys) CK_NAME(feed_head)(job, &next, j0, &feeds), fed = true;
      const size_t start = CK_NAME(first_query)(job, j0);
      for (size_t i0 = start; i0 < queries; i0 += CK_QUERY_TILE) {
        const size_t n = ck_min(CK_QUERY_TILE, queries - i0);
        for (size_t r = 0; r < n; r += CK_BLOCK_ROWS) {
          CK_NAME(feed)(&feeds);
          CK_NAME(gradients_of_rows)(job, &now, &head, &tile, i0 + r, ck_min(CK_BLOCK_ROWS, n - r), offset + i0 + r,
                                     p + r / CK_GROUP * CK_TILE_ROW, ds + r / CK_GROUP * CK_TILE_ROW, scratch);
        }
        CK_NAME(gradients_of_keys)(job, &now, &head, &tile, i0, n, offset + i0, p, ds,
                                   g == 0 && i0 == start ? CK_START_ZERO : CK_START_KEEP, last && i0 + n == queries,
                                   &feeds);
      }
    }
  }
}
#undef CK_PAST
