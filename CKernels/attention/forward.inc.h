// Forward: online softmax (Milakov and Gimelshein 2018) over panels of keys, as in FlashAttention; inside a panel a
// block of rows at a time, whose scores stay in the first cache.

// Power of two of a vector of scores; `whole`: all of them are seen, otherwise what lies beyond `seen` becomes zero.
CK_VECTOR vfloat CK_NAME(probability)(const bool whole, size_t v, size_t seen, const float *scores, float scale2,
                                      float maximum) {
  vfloat p = CK_NAME(power2)(vfma(vload(scores + v * CK_LANES), (vfloat)(scale2), (vfloat)(-maximum)));
  return whole || viota() < (int32_t)seen - (int32_t)(v * CK_LANES) ? p : (vfloat)(0.0f);
}

// Turns the scores of one row, of which it sees the first `seen` keys, into words of probabilities relative to the
// maximum so far (base 2, scaled), over `vectors` vectors: zero beyond `seen`. The first `whole` vectors are seen
// whole; both numbers are those of all rows of a block, so that loops end alike. Returns the sum, lane by lane.
CK_VECTOR vfloat CK_NAME(probabilities)(size_t whole, size_t vectors, size_t seen, float *scores, float scale2,
                                        float maximum) {
#if CK_GROUP == 2
  // In place: a pair of vectors becomes one, which is never ahead of what is still to be read.
  vfloat low = 0, high = 0;
  float *to = scores;
  size_t v = 0;
  for (; v < whole; v += 2, to += CK_LANES) {
    vfloat even = CK_NAME(probability)(true, v, seen, scores, scale2, maximum);
    vfloat odd = CK_NAME(probability)(true, v + 1, seen, scores, scale2, maximum);
    low += even;
    high += odd;
    vstore(to, CK_NAME(narrow_words)(even, odd));
  }
  for (; v < vectors; v += 2, to += CK_LANES) {
    vfloat even = CK_NAME(probability)(false, v, seen, scores, scale2, maximum);
    vfloat odd = CK_NAME(probability)(false, v + 1, seen, scores, scale2, maximum);
    low += even;
    high += odd;
    vstore(to, CK_NAME(narrow_words)(even, odd));
  }
  return low + high;
#else
  vfloat total = 0;
  size_t v = 0;
  for (; v < whole; v++) {
    vfloat p = CK_NAME(probability)(true, v, seen, scores, scale2, maximum);
    total += p;
    vstore(scores + v * CK_LANES, p);
  }
  for (; v < vectors; v++) {
    vfloat p = CK_NAME(probability)(false, v, seen, scores, scale2, maximum);
    total += p;
    vstore(scores + v * CK_LANES, p);
  }
  return total;
#endif
}

// The greatest of the first `seen` scores, lane by lane.
CK_VECTOR vfloat CK_NAME(greatest)(size_t whole, size_t vectors, size_t seen, const float *scores) {
  vfloat top = (vfloat)(-INFINITY);
  size_t v = 0;
  for (; v < whole; v++) top = vmax(top, vload(scores + v * CK_LANES));
  for (; v < vectors; v++) {
    vint mask = viota() < (int32_t)seen - (int32_t)(v * CK_LANES);
    top = vmax(top, mask ? vload(scores + v * CK_LANES) : (vfloat)(-INFINITY));
  }
  return top;
}

// What a task keeps about its rows: sums of values and (lane by lane) of probabilities, and the scaled maximum.
typedef struct CK_NAME(rows) {
  float *sums, *total, *maximum;
} CK_NAME(rows);

// n rows of scores of a panel, `vectors` of them, become words of probabilities; row i sees the first seen[i] keys.
// factor[i]: of what row i has gathered before.
CK_VECTOR void CK_NAME(soften)(size_t n, const size_t *seen, bool first, size_t vectors, float scale2, float *scores,
                               size_t scores_row, float *factor, CK_NAME(rows) rows) {
  const size_t whole = seen[0] / CK_STEP * CK_GROUP;
  for (size_t r = 0; r < n; r++) {
    float now = vhighest(CK_NAME(greatest)(whole, vectors, seen[r], scores + r * scores_row)) * scale2;
    const float before = rows.maximum[r];
    if (!first && before > now) now = before;
    factor[r] = first ? 0 : before - now;
    rows.maximum[r] = now;
  }
  if (!first) {
    for (size_t r = n; r < ck_round_up(n, CK_LANES); r++) factor[r] = 0;
    for (size_t r = 0; r < n; r += CK_LANES) vstore(factor + r, CK_NAME(power2)(vload(factor + r)));
  }
  for (size_t r = 0; r < n; r++) {
    float *total = rows.total + r * CK_LANES;
    const vfloat sum =
        CK_NAME(probabilities)(whole, vectors, seen[r], scores + r * scores_row, scale2, rows.maximum[r]);
    vstore(total, first ? sum : vload(total) * factor[r] + sum);
  }
}

#if CK_TILES
#include "attention/forward_amx.inc.h"
#else
#define CK_MEET_ROWS CK_BLOCK_ROWS
#define CK_FEED_ROWS CK_BLOCK_ROWS // after which some more is fetched
#define CK_SCORES_ROW CK_PANEL

// The rows r0 ... r0 + n - 1 of a chunk meet a panel of keys; row r0 + i sees the first seen[i] of them.
static void CK_NAME(meet)(size_t n, const size_t *seen, bool first, bool stairs, const float *query, size_t words,
                          size_t words_row, const float *keys, const float *values, size_t value_row, size_t padded,
                          float scale2, float *scores, ck_feed *feed, size_t feed_rows, CK_NAME(rows) rows) {
  const size_t vectors = ck_ceil_div(seen[n - 1], CK_LANES);
  ck_feed_some(feed, feed_rows);
  CK_NAME(scores)(n, vectors, words, query, words_row, keys, NULL, scores, CK_SCORES_ROW);
  float factor[CK_PAD];
  CK_NAME(soften)(n, seen, first, ck_round_up(vectors, CK_GROUP), scale2, scores, CK_SCORES_ROW, factor, rows);
  // Steps that all rows see whole, then those at the diagonal.
  CK_NAME(product)
  p = {.steps = stairs ? seen[0] / CK_GROUP : ck_ceil_div(seen[0], CK_GROUP),
       .a = scores,
       .a_row = CK_SCORES_ROW,
       .b = values,
       .b_row = value_row,
       .c = rows.sums,
       .c_row = padded,
       .start = first ? CK_START_ZERO : CK_START_SCALED,
       .factor = factor,
       .stairs = stairs,
       .odd = seen[0] % CK_GROUP != 0};
  CK_NAME(product_down)(n, padded / CK_LANES, &p);
}
#endif

// After the last panel: o = sums / total, L = maximum ln 2 + log(total).
static void CK_NAME(finish)(size_t rows, CK_NAME(rows) kept, size_t width, size_t padded, CK_ELEMENT *output,
                            size_t output_row, float *log_sum_exp) {
  for (size_t r = 0; r < rows; r += CK_LANES) {
    const size_t here = ck_min(rows - r, CK_LANES);
    vfloat sum[CK_LANES], maximum = vload(kept.maximum + r);
    for (size_t l = 0; l < CK_LANES; l++) sum[l] = l < here ? vload(kept.total + (r + l) * CK_LANES) : (vfloat)(1.0f);
    CK_NAME(transpose)(sum);
    for (size_t half = CK_LANES / 2; half; half /= 2)
      for (size_t l = 0; l < half; l++) sum[l] += sum[l + half];
    const vfloat total = sum[0];
    if (log_sum_exp) vstore_part(log_sum_exp + r, here, vfma(maximum, (vfloat)(0.693147180559945309f), vlog(total)));
    float inverse[CK_LANES];
    vstore(inverse, 1.0f / total);
    for (size_t i = r; i < r + here; i++, output += output_row)
      CK_NAME(write_row)(width, kept.sums + i * padded, inverse[i - r], output);
  }
}

// Where a task is: a chunk of queries of one head.
typedef struct CK_NAME(place) {
  size_t head, i0, rows; // of queries
  size_t offset, limit;  // position of the first row (if the mask is causal), keys that the chunk sees
  const CK_ELEMENT *query, *key, *value;
  CK_ELEMENT *output;
} CK_NAME(place);

static CK_NAME(place) CK_NAME(place_of)(const ck_attention_job *job, size_t task) {
  const ck_attention_shape *shape = &job->shape;
  const size_t head = task / job->chunks, b = head / shape->heads, h = head % shape->heads;
  const size_t i0 = task % job->chunks * job->chunk, rows = ck_min(job->chunk, shape->queries - i0);
  const size_t at = h * shape->width, kv_head = h / (shape->heads / shape->kv_heads);
  const size_t offset = shape->keys - shape->queries + i0;
  return (CK_NAME(place)){
      .head = head,
      .i0 = i0,
      .rows = rows,
      .offset = offset,
      .limit = job->mask == CK_ATTENTION_CAUSAL ? offset + rows : shape->keys,
      .query = (const CK_ELEMENT *)job->query + b * shape->query_batch + i0 * shape->query_row + at,
      .key = (const CK_ELEMENT *)job->key + b * shape->key_batch + kv_head * job->key_head,
      .value = (const CK_ELEMENT *)job->value + b * shape->value_batch + kv_head * job->value_head,
      .output = (CK_ELEMENT *)job->output + b * shape->output_batch + i0 * shape->output_row + at,
  };
}

// Fetches keys and values from j0 on, at most a panel of them.
static void CK_NAME(feed_panel)(ck_feed *feed, const ck_attention_shape *shape, const CK_NAME(place) * place,
                                size_t j0) {
  const size_t here = ck_min(CK_PANEL, place->limit - j0), width = shape->width, element = sizeof(CK_ELEMENT);
  ck_feed_add(feed, place->key + j0 * shape->key_row, shape->key_row, width, element, here);
  ck_feed_add(feed, place->value + j0 * shape->value_row, shape->value_row, width, element, here);
}

static void CK_NAME(ck_attention_forward)(ck_worker *worker, const void *opaque, size_t task) {
  const ck_attention_job *job = opaque;
  const ck_attention_shape *shape = &job->shape;
  const CK_NAME(place) place = CK_NAME(place_of)(job, task);
  const size_t rows = place.rows, offset = place.offset, limit = place.limit, width = shape->width;
  const size_t words = CK_WORDS(width), words_row = ck_round_up(words, CK_LANES);
  const size_t padded = ck_round_up(width, CK_LANES);
  const bool causal = job->mask == CK_ATTENTION_CAUSAL;

  float *scratch = ck_worker_scratch(worker);
  float *queries = ck_take(&scratch, rows * words_row);
  const CK_NAME(rows) kept = {.sums = ck_take(&scratch, (rows + CK_PAD) * padded),
                              .total = ck_take(&scratch, rows * CK_LANES),
                              .maximum = ck_take(&scratch, rows)};
  float *keys = ck_take(&scratch, CK_PANEL * words), *values = ck_take(&scratch, CK_PANEL / CK_GROUP * padded);
  float *scores = scratch;
#if CK_TILES
  ck_tiles_enter();
#endif
  CK_NAME(pack_rows)(rows, width, place.query, shape->query_row, queries, words_row);

  for (size_t j0 = 0; j0 < limit; j0 += CK_PANEL) {
    const size_t here = ck_min(CK_PANEL, limit - j0);
    const float *key_panel = keys, *value_panel = values;
    size_t value_row = padded;
#if !defined(CK_HALVES)
    // What is kept as the products want it is read where it is: whole blocks of keys, whole vectors of values.
    if (job->key_columns) key_panel = place.key + j0 * width;
    if (job->key_columns && width == padded)
      value_panel = place.value + j0 * shape->value_row, value_row = shape->value_row;
#endif
    if (key_panel == keys) CK_NAME(pack_columns)(here, width, place.key + j0 * shape->key_row, shape->key_row, keys);
    if (value_panel == values)
      CK_NAME(pack_groups)(here, width, padded, place.value + j0 * shape->value_row, shape->value_row, values);
#if CK_TILES
    CK_NAME(pad_groups)(ck_ceil_div(here, CK_GROUP), padded, values);
    // The first row that sees some of the keys may see the fewest.
    const bool some = ck_seen(job->mask, here, ck_max(offset, j0), j0) < here;
    const bool careful = some && !CK_NAME(all_finite)(ck_ceil_div(here, CK_GROUP) * padded, values);
#else
    const bool careful = true;
#endif
    // Meanwhile the next panel, or what the next task starts with, is fetched.
    ck_feed feed = {};
    if (j0 + CK_PANEL < limit) {
      CK_NAME(feed_panel)(&feed, shape, &place, j0 + CK_PANEL);
    } else {
      ck_feed_add(&feed, place.output, shape->output_row, width, sizeof(CK_ELEMENT), rows);
      const size_t next = task + ck_worker_count(worker);
      if (next < shape->batch * shape->heads * job->chunks) {
        const CK_NAME(place) then = CK_NAME(place_of)(job, next);
        ck_feed_add(&feed, then.query, shape->query_row, width, sizeof(CK_ELEMENT), then.rows);
        CK_NAME(feed_panel)(&feed, shape, &then, 0);
      }
    }
    const size_t start = causal && j0 > offset ? j0 - offset : 0; // rows before see none of these keys
    const size_t feed_rows = ck_ceil_div(feed.rows, ck_ceil_div(rows - start, CK_FEED_ROWS));
    for (size_t r0 = start; r0 < rows; r0 += CK_MEET_ROWS) {
      const size_t n = ck_min(CK_MEET_ROWS, rows - r0);
      size_t seen[CK_MEET_ROWS];
      for (size_t r = 0; r < n; r++) seen[r] = ck_seen(job->mask, here, offset + r0 + r, j0);
#if CK_TILES
      const size_t split = n;
#else
      // At the diagonal each row sees one key more than the one before, until all of the panel is seen.
      const size_t grow = seen[n - 1] - seen[0], split = grow == 0 ? n : grow + 1;
#endif
      for (size_t from = 0, count; from < n; from += count) {
        count = from == 0 ? split : n - from;
        const size_t r = r0 + from;
        CK_NAME(meet)(count, seen + from, j0 == 0, careful && seen[from] < here, queries + r * words_row, words,
                      words_row, key_panel, value_panel, value_row, padded, job->scale2, scores, &feed, feed_rows,
                      (CK_NAME(rows)){kept.sums + r * padded, kept.total + r * CK_LANES, kept.maximum + r});
      }
    }
  }

  float *log_sum_exp = job->log_sum_exp ? job->log_sum_exp + place.head * shape->queries + place.i0 : NULL;
  CK_NAME(finish)(rows, kept, width, padded, place.output, shape->output_row, log_sum_exp);
#if CK_TILES
  ck_tiles_leave();
#endif
}
#undef CK_MEET_ROWS
#undef CK_FEED_ROWS
#undef CK_SCORES_ROW
