// What the two forms of the backward pass share: where operands are, what is fetched ahead, powers of two.

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

// Exponents: those of CK_GROUP 2 are added to the bits of a float, 2^x being about the float with the bits
// (x + 127) 2^23.
#if CK_GROUP == 1
#define CK_EXPONENT_SCALE 1.0f
#define CK_EXPONENT_BIAS 0.0f
#else
#define CK_EXPONENT_SCALE 0x1p23f
#define CK_EXPONENT_BIAS (127 * 0x1p23f)

// 2^x for x <= 0 (a little above, too) of (x + 127) 2^23, within a factor of 1 +- 9e-5, which is a twentieth of what
// rounding to bf16 may add; below 2^-126 it stays there. The fraction, as a float from 1 to 2, becomes the mantissa by
// a polynomial that is 1 at 1 and does not reach 2.
CK_VECTOR vfloat CK_NAME(power2_rough)(vfloat x) {
  __m512i bits = _mm512_max_epi32(_mm512_cvtps_epi32((__m512)x), _mm512_set1_epi32(1 << 23));
  const __m512i mantissa = _mm512_set1_epi32(0x7fffff);
  // a ? b : c, bit by bit: 0xca
  vfloat f = (vfloat)_mm512_ternarylogic_epi32(mantissa, bits, _mm512_set1_epi32(0x3f800000), 0xca);
  vfloat y = vfma((vfloat)(7.70670399e-2f), f, (vfloat)(-3.55612230e-3f));
  y = vfma(y, f, (vfloat)(4.71027911e-1f));
  y = vfma(y, f, (vfloat)(4.55461174e-1f));
  return (vfloat)_mm512_ternarylogic_epi32(mantissa, (__m512i)y, bits, 0xca);
}
#endif

// Minus L in base 2, for vfma with the scaled scores.
CK_VECTOR void CK_NAME(shifts)(size_t rows, const float *log_sum_exp, float *shift) {
  for (size_t i = 0; i < rows; i++) {
    const float power = log_sum_exp[i] * 1.44269504088896341f;
    shift[i] = CK_EXPONENT_BIAS - power * CK_EXPONENT_SCALE;
  }
}

// What will be wanted, in even portions between the blocks of the products: `tile` until the next tile of keys, `head`
// until the next head.
typedef struct CK_NAME(feeds) {
  ck_feed tile, head;
  size_t tile_rows, head_rows; // of a portion
} CK_NAME(feeds);

CK_VECTOR void CK_NAME(feed)(CK_NAME(feeds) * feeds) {
  ck_feed_some(&feeds->tile, feeds->tile_rows);
  ck_feed_some(&feeds->head, feeds->head_rows);
}

#if CK_TILES
#define CK_QUERY_STEP CK_STEP // a unit of products over queries
#else
#define CK_QUERY_STEP CK_GROUP
#endif

// Queries before this one see none of the keys from j0 on.
static size_t CK_NAME(first_query)(const ck_attention_job *job, size_t j0) {
  const size_t offset = job->shape.keys - job->shape.queries;
  return job->mask == CK_ATTENTION_CAUSAL && j0 > offset ? (j0 - offset) / CK_QUERY_STEP * CK_QUERY_STEP : 0;
}

// Blocks of products in the tile of keys at j0.
static size_t CK_NAME(portions)(const ck_attention_job *job, size_t j0) {
  const size_t rows = job->shape.queries - CK_NAME(first_query)(job, j0);
  const size_t here = ck_min(CK_KEY_TILE, job->shape.keys - j0);
#if CK_TILES
  return ck_ceil_div(rows, CK_KEY_BLOCK) * ck_ceil_div(here, CK_TILE_ROWS);
#else
  return ck_ceil_div(rows, CK_BLOCK_ROWS) + ck_ceil_div(rows, CK_QUERY_TILE) * ck_ceil_div(here, CK_BLOCK_ROWS);
#endif
}

// The rows of d_query that are complete after the tile of keys at j0, as far as they are worth fetching.
static void CK_NAME(feed_d_query)(const ck_attention_job *job, const CK_NAME(operands) * now, size_t j0,
                                  ck_feed *feed) {
  const ck_attention_shape *shape = &job->shape;
  const size_t end = j0 + CK_KEY_TILE;
  size_t to = end >= shape->keys                 ? shape->queries
              : job->mask == CK_ATTENTION_CAUSAL ? CK_NAME(first_query)(job, end)
                                                 : 0;
  size_t from = job->mask == CK_ATTENTION_CAUSAL ? CK_NAME(first_query)(job, j0) : 0;
  if (from >= to) return;
  ck_feed_add(feed, now->d_query + from * shape->d_query_row, shape->d_query_row, shape->width, sizeof(CK_ELEMENT),
              ck_min(to - from, 2 * CK_KEY_TILE));
}

// For the tile of keys at j0: where its gradients go, and the next tile.
static void CK_NAME(feed_tile)(const ck_attention_job *job, const CK_NAME(operands) * now, size_t j0,
                               CK_NAME(feeds) * feeds) {
  const ck_attention_shape *shape = &job->shape;
  const size_t width = shape->width, element = sizeof(CK_ELEMENT), next = j0 + CK_KEY_TILE;
  const size_t here = ck_min(CK_KEY_TILE, shape->keys - j0);
  feeds->tile = (ck_feed){};
  ck_feed_add(&feeds->tile, now->d_value + j0 * shape->d_value_row, shape->d_value_row, width, element, here);
  ck_feed_add(&feeds->tile, now->d_key + j0 * shape->d_key_row, shape->d_key_row, width, element, here);
  if (next < shape->keys) {
    const size_t then = ck_min(CK_KEY_TILE, shape->keys - next);
    ck_feed_add(&feeds->tile, now->key + next * shape->key_row, shape->key_row, width, element, then);
    ck_feed_add(&feeds->tile, now->value + next * shape->value_row, shape->value_row, width, element, then);
    CK_NAME(feed_d_query)(job, now, next, &feeds->tile);
  }
  feeds->tile_rows = ck_ceil_div(feeds->tile.rows, CK_NAME(portions)(job, j0));
}

// The first rows of the next head, during the last two tiles of keys: more would not stay in the cache.
static void CK_NAME(feed_head)(const ck_attention_job *job, const CK_NAME(operands) * next, size_t j0,
                               CK_NAME(feeds) * feeds) {
  const ck_attention_shape *shape = &job->shape;
  const size_t width = shape->width, element = sizeof(CK_ELEMENT);
  const size_t rows = ck_min(shape->queries, 2 * CK_KEY_TILE), keys = ck_min(shape->keys, CK_KEY_TILE);
  ck_feed *feed = &feeds->head;
  ck_feed_add(feed, next->query, shape->query_row, width, element, rows);
  ck_feed_add(feed, next->d_output, shape->d_output_row, width, element, rows);
  ck_feed_add(feed, next->output, shape->output_row, width, element, rows);
  ck_feed_add(feed, next->key, shape->key_row, width, element, keys);
  ck_feed_add(feed, next->value, shape->value_row, width, element, keys);
  CK_NAME(feed_d_query)(job, next, 0, feed);
  size_t portions = 0;
  for (; j0 < shape->keys; j0 += CK_KEY_TILE) portions += CK_NAME(portions)(job, j0);
  feeds->head_rows = ck_ceil_div(feed->rows, portions);
}
