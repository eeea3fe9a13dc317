// Backward: probabilities are recomputed from the log-sum-exp. Tiles of keys outside, tiles of queries inside.

// Scores and their derivatives of one row become p and ds (without the factor 1/sqrt(D)); row sees keys 0 ... last.
static inline void CK_NAME(gradient_row)(size_t vectors, ptrdiff_t last, float *p, float *ds, float log_sum_exp,
                                         float mean) {
  const vint lane = viota();
  for (size_t v = 0; v < vectors; v++, p += CK_LANES, ds += CK_LANES) {
    vfloat e = CK_NAME(exp_below)(vload(p) - log_sum_exp);
    vfloat g = e * (vload(ds) - mean);
    if (last < (ptrdiff_t)((v + 1) * CK_LANES - 1)) {
      vint seen = lane <= (int32_t)(last - (ptrdiff_t)(v * CK_LANES));
      e = (vfloat)(seen & (vint)e);
      g = (vfloat)(seen & (vint)g);
    }
    vstore(p, e);
    vstore(ds, g);
  }
  // Blocks of keys in the weight products may reach past what this row sees.
  for (size_t v = vectors; v < CK_TILE_VECTORS; v++, p += CK_LANES, ds += CK_LANES) {
    vstore(p, (vfloat){0});
    vstore(ds, (vfloat){0});
  }
}

static void CK_NAME(write_rows)(size_t rows, size_t width, size_t padded, const float *source, float scale,
                                float *target, size_t target_row) {
  for (size_t i = 0; i < rows; i++, source += padded, target += target_row) {
    size_t d = 0;
    for (; d + CK_LANES <= width; d += CK_LANES) vstore(target + d, vload(source + d) * scale);
    for (; d < width; d++) target[d] = source[d] * scale;
  }
}

// One head of one sequence.
static void CK_NAME(ck_attention_backward)(ck_worker *worker, const void *opaque, size_t task) {
  const ck_attention_backward_job *job = opaque;
  const size_t length = job->length, width = job->width, columns = job->heads * width, row = 3 * columns;
  const size_t b = task / job->heads, h = task % job->heads, padded = ck_round_up(width, CK_LANES);
  const size_t padded_vectors = padded / CK_LANES;
  const float *query = job->qkv + b * length * row + h * width, *key = query + columns, *value = key + columns;
  const float *output = job->output + b * length * columns + h * width;
  const float *d_output = job->d_output + b * length * columns + h * width;
  const float *log_sum_exp = job->log_sum_exp + (b * job->heads + h) * length;
  float *d_query = job->d_qkv + b * length * row + h * width, *d_key = d_query + columns, *d_value = d_key + columns;

  float *scratch = ck_worker_scratch(worker);
  float *queries = ck_take(&scratch, length * padded), *d_outputs = ck_take(&scratch, length * padded);
  float *d_queries = ck_take(&scratch, length * padded), *mean = ck_take(&scratch, length);
  float *keys = ck_take(&scratch, CK_KEY_TILE * padded), *d_keys = ck_take(&scratch, CK_KEY_TILE * padded);
  float *d_values = ck_take(&scratch, CK_KEY_TILE * padded);
  float *key_columns = ck_take(&scratch, CK_KEY_TILE * width), *value_columns = ck_take(&scratch, CK_KEY_TILE * width);
  float *p = ck_take(&scratch, CK_KEY_TILE * CK_QUERY_TILE), *ds = ck_take(&scratch, CK_KEY_TILE * CK_QUERY_TILE);

  CK_NAME(pack_rows)(length, width, padded, query, row, job->scale, queries);
  CK_NAME(pack_rows)(length, width, padded, d_output, columns, 1, d_outputs);
  memset(d_queries, 0, length * padded * sizeof(float));
  for (size_t i = 0; i < length; i++) {
    const float *o = output + i * columns, *g = d_outputs + i * padded;
    vfloat total = {0};
    float tail = 0;
    size_t d = 0;
    for (; d + CK_LANES <= width; d += CK_LANES) total += vload(o + d) * vload(g + d);
    for (; d < width; d++) tail += o[d] * g[d];
    mean[i] = vsum(total) + tail;
  }

  for (size_t j0 = 0; j0 < length; j0 += CK_KEY_TILE) {
    const size_t here = ck_min(CK_KEY_TILE, length - j0);
    CK_NAME(pack_rows)(here, width, padded, key + j0 * row, row, 1, keys);
    CK_NAME(pack_columns)(here, width, key + j0 * row, row, key_columns);
    CK_NAME(pack_columns)(here, width, value + j0 * row, row, value_columns);
    // The next tile is fetched meanwhile, a few rows with each block of queries.
    size_t ahead = j0 + CK_KEY_TILE;
    const size_t ahead_end = ck_min(ahead + CK_KEY_TILE, length);
    for (size_t i0 = j0; i0 < length; i0 += CK_QUERY_TILE) { // queries before j0 see none of these keys
      const size_t n = ck_min(CK_QUERY_TILE, length - i0);
      for (size_t r = 0; r < n; r += CK_BLOCK_ROWS) {
        const size_t block = ck_min(CK_BLOCK_ROWS, n - r), at = (i0 + r) * padded;
        const size_t vectors = ck_min(CK_TILE_VECTORS, (i0 + r + block - 1 - j0) / CK_LANES + 1);
        float *block_p = p + r * CK_KEY_TILE, *block_ds = ds + r * CK_KEY_TILE;
        CK_NAME(product_down)(block, vectors, width, queries + at, padded, key_columns, CK_KEY_TILE, block_p,
                              CK_KEY_TILE, CK_START_ZERO, NULL);
        CK_NAME(product_down)(block, vectors, width, d_outputs + at, padded, value_columns, CK_KEY_TILE, block_ds,
                              CK_KEY_TILE, CK_START_ZERO, NULL);
        for (size_t n = 0; n < 3 && ahead < ahead_end; n++, ahead++) {
          CK_NAME(prefetch_row)(width, key + ahead * row);
          CK_NAME(prefetch_row)(width, value + ahead * row);
        }
        for (size_t i = r; i < r + block; i++)
          CK_NAME(gradient_row)(vectors, (ptrdiff_t)ck_min(i0 + i - j0, here - 1), p + i * CK_KEY_TILE,
                                ds + i * CK_KEY_TILE, log_sum_exp[i0 + i], mean[i0 + i]);
        CK_NAME(product_down)(block, padded_vectors, ck_min(here, i0 + r + block - j0), block_ds, CK_KEY_TILE, keys,
                              padded, d_queries + at, padded, CK_START_KEEP, NULL);
      }
      const int start = i0 == j0 ? CK_START_ZERO : CK_START_KEEP;
      for (size_t k = 0; k < here; k += CK_BLOCK_ROWS) {
        const size_t block = ck_min(CK_BLOCK_ROWS, here - k);
        const size_t first = j0 + k > i0 ? ck_min(j0 + k - i0, n) : 0; // the first query of the tile that sees key k
        CK_NAME(product_across)(block, padded_vectors, n - first, p + first * CK_KEY_TILE + k, CK_KEY_TILE,
                                d_outputs + (i0 + first) * padded, padded, d_values + k * padded, padded, start);
        CK_NAME(product_across)(block, padded_vectors, n - first, ds + first * CK_KEY_TILE + k, CK_KEY_TILE,
                                queries + (i0 + first) * padded, padded, d_keys + k * padded, padded, start);
      }
    }
    CK_NAME(write_rows)(here, width, padded, d_keys, 1, d_key + j0 * row, row);
    CK_NAME(write_rows)(here, width, padded, d_values, 1, d_value + j0 * row, row);
  }
  CK_NAME(write_rows)(length, width, padded, d_queries, job->scale, d_query, row);
}
