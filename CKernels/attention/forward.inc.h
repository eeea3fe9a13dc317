// Forward: online softmax (Milakov and Gimelshein 2018) over tiles of keys, as in FlashAttention.

// A score becomes a probability relative to the row's maximum so far.
CK_VECTOR vfloat CK_NAME(probability)(float *score, float maximum) {
  vfloat p = CK_NAME(exp_below)(vload(score) - maximum);
  vstore(score, p);
  return p;
}

// rows x vectors of scores; row r sees the keys 0 ... last[r] of this tile (more than the tile holds: all of them).
static void CK_NAME(softmax_tile)(size_t rows, const size_t *vectors, const ptrdiff_t *last, bool first, float *scores,
                                  float *factor, float *maximum, float *sum) {
  const vint lane = viota();
  for (size_t r = 0; r < rows; r++) {
    float *s = scores + r * CK_KEY_TILE;
    vfloat top = vload(s);
    if (last[r] < CK_KEY_TILE - 1) {
      top = (vfloat)(-INFINITY);
      for (size_t v = 0; v < vectors[r]; v++) {
        vint seen = lane <= (int32_t)(last[r] - (ptrdiff_t)(v * CK_LANES));
        vfloat x = seen ? vload(s + v * CK_LANES) : (vfloat)(-INFINITY);
        vstore(s + v * CK_LANES, x);
        top = vmax(top, x);
      }
    } else {
#pragma unroll
      for (size_t v = 1; v < CK_TILE_VECTORS; v++) top = vmax(top, vload(s + v * CK_LANES));
    }
    float before = maximum[r], now = vhighest(top);
    if (!first && before > now) now = before;
    maximum[r] = now;
    factor[r] = first ? 0 : before - now;
  }
  for (size_t r = 0; r < rows; r += CK_LANES) vstore(factor + r, CK_NAME(exp_below)(vload(factor + r)));
  for (size_t r = 0; r < rows; r++) {
    float *s = scores + r * CK_KEY_TILE;
    vfloat total = first ? (vfloat)(0.0f) : vload(sum + r * CK_PAD) * factor[r];
    if (vectors[r] == CK_TILE_VECTORS) // by far the most frequent: worth its own, unrolled
#pragma unroll
      for (size_t v = 0; v < CK_TILE_VECTORS; v++) total += CK_NAME(probability)(s + v * CK_LANES, maximum[r]);
    else
      for (size_t v = 0; v < vectors[r]; v++) total += CK_NAME(probability)(s + v * CK_LANES, maximum[r]);
    vstore(sum + r * CK_PAD, total);
  }
}

// One chunk of queries of one head.
static void CK_NAME(ck_attention_forward)(ck_worker *worker, const void *opaque, size_t task) {
  const ck_attention_job *job = opaque;
  const ck_attention_shape *shape = &job->shape;
  const size_t head = task / job->chunks, b = head / shape->heads, h = head % shape->heads, width = shape->width;
  const size_t padded = ck_round_up(width, CK_LANES), i0 = task % job->chunks * job->chunk;
  const size_t rows = ck_min(job->chunk, shape->queries - i0), offset = shape->keys - shape->queries + i0;
  const float *query = job->query + b * shape->query_batch + i0 * shape->query_row + h * width;
  const float *key = job->key + b * shape->key_batch + h * width;
  const float *value = job->value + b * shape->value_batch + h * width;
  float *output = job->output + b * shape->output_batch + i0 * shape->output_row + h * width;

  float *scratch = ck_worker_scratch(worker);
  float *packed_query = ck_take(&scratch, rows * width), *sums = ck_take(&scratch, rows * padded);
  float *sum = ck_take(&scratch, rows * CK_PAD), *maximum = ck_take(&scratch, rows);
  float *keys = ck_take(&scratch, CK_KEY_TILE * width), *values = ck_take(&scratch, CK_KEY_TILE * padded);
  float *scores = ck_take(&scratch, CK_KEY_TILE * CK_QUERY_TILE), *factor = ck_take(&scratch, CK_QUERY_TILE);
  CK_NAME(pack_rows)(rows, width, width, query, shape->query_row, job->scale, packed_query);

  // Few queries use each value few times: then it is read where it lies.
  const bool pack_values = rows > 8 || width % CK_LANES != 0;
  for (size_t j0 = 0; j0 < offset + rows; j0 += CK_KEY_TILE) {
    const size_t here = ck_min(CK_KEY_TILE, offset + rows - j0);
    CK_NAME(pack_columns)(here, width, key + j0 * shape->key_row, shape->key_row, keys);
    const float *tile_values = value + j0 * shape->value_row;
    size_t value_row = shape->value_row;
    if (pack_values) {
      CK_NAME(pack_rows)(here, width, padded, tile_values, value_row, 1, values);
      tile_values = values, value_row = padded;
    }
    // The next tile is fetched meanwhile, a few rows with each block of queries.
    size_t ahead = j0 + CK_KEY_TILE;
    const size_t ahead_end = ck_min(ahead + CK_KEY_TILE, offset + rows);
    for (size_t r0 = j0 > offset ? j0 - offset : 0; r0 < rows; r0 += CK_QUERY_TILE) {
      const size_t n = ck_min(CK_QUERY_TILE, rows - r0);
      size_t vectors[CK_QUERY_TILE];
      ptrdiff_t last[CK_QUERY_TILE];
      for (size_t r = 0; r < n; r += CK_BLOCK_ROWS) {
        const size_t block = ck_min(CK_BLOCK_ROWS, n - r);
        for (size_t i = r; i < r + block; i++) {
          last[i] = (ptrdiff_t)(offset + r0 + i - j0);
          // All rows of a block see as many vectors as its last one.
          vectors[i] = ck_min(CK_TILE_VECTORS, (offset + r0 + r + block - 1 - j0) / CK_LANES + 1);
        }
        CK_NAME(product_down)(block, vectors[r], width, packed_query + (r0 + r) * width, width, keys, CK_KEY_TILE,
                              scores + r * CK_KEY_TILE, CK_KEY_TILE, CK_START_ZERO, NULL);
        for (size_t n = 0; n < 3 && ahead < ahead_end; n++, ahead++) {
          CK_NAME(prefetch_row)(width, key + ahead * shape->key_row);
          CK_NAME(prefetch_row)(width, value + ahead * shape->value_row);
        }
      }
      CK_NAME(softmax_tile)(n, vectors, last, j0 == 0, scores, factor, maximum + r0, sum + r0 * CK_PAD);
      for (size_t r = 0; r < n; r += CK_BLOCK_ROWS) {
        const size_t block = ck_min(CK_BLOCK_ROWS, n - r);
        // Keys that all rows of the block see, then those that each row sees one more of.
        const size_t seen = ck_min(here, (size_t)last[r] + 1), stairs = ck_min(here - seen, block - 1);
        const int start = j0 ? CK_START_SCALED : CK_START_ZERO;
        float *block_scores = scores + r * CK_KEY_TILE, *block_sums = sums + (r0 + r) * padded;
        CK_NAME(product_down_stairs)(block, padded / CK_LANES, seen, stairs, block_scores, CK_KEY_TILE, tile_values,
                                     value_row, block_sums, padded, start, factor + r);
      }
    }
  }

  for (size_t r = 0; r < rows; r++) {
    const float total = vsum(vload(sum + r * CK_PAD)), inverse = 1 / total;
    float *o = output + r * shape->output_row;
    const float *s = sums + r * padded;
    size_t d = 0;
    for (; d + CK_LANES <= width; d += CK_LANES) vstore(o + d, vload(s + d) * inverse);
    for (; d < width; d++) o[d] = s[d] * inverse;
    if (job->log_sum_exp) job->log_sum_exp[head * shape->queries + i0 + r] = maximum[r] + logf(total);
  }
}
