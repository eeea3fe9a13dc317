#include "vector/math.inc.h"
#include "vector/typed.inc.h"
#include "vector/columns.inc.h"

#define NORM_EACH_ROW _Pragma("clang loop unroll(full)") for (size_t r = 0; r < together; ++r)

// Passes over rows that are in the nearest cache leave memory idle. Each step of theirs therefore fetches `bytes` of
// the rows that follow, into the second-level cache (the first has no room). Early passes fetch most of the next rows,
// later ones run into those after: 16384 x 768 goes at 1.6 times the speed of even shares. Past the end of an array a
// fetch does no harm.
CK_VECTOR const char *CK_NAME(norm_fetch)(const char *ahead, const size_t bytes) {
  for (size_t line = 0; line < bytes; line += 64) __builtin_prefetch(ahead + line, 0, 2);
  return ahead + ck_round_up(bytes, 64);
}

// `together` rows at once hide the latency from a row's sums to its result; each row's bits are the same as alone.
// It is a constant where this is inlined, so that the loops over rows unroll and the sums stay in registers; so are
// `centred` (layer norm, else RMS norm), the type of y and whether y is written around the caches.
CK_VECTOR void CK_NAME(norm_rows_together)(const norm_job *job, size_t row, const size_t together, const bool centred,
                                           const ck_type type, const bool streams) {
  const size_t columns = job->columns, pair = 2 * CK_LANES, pairs = columns / pair * pair;
  const size_t whole = columns / CK_LANES * CK_LANES, tail = columns - whole;
  const size_t share = together > 1 ? together * pair * sizeof(float) * 3 / (centred ? 4 : 2) : 0;
  const float *x = job->x + row * columns, *gain = job->gain, *bias = job->bias;
  const char *ahead = (const char *)(x + together * columns);
  char *y = (char *)job->y + row * columns * ck_bytes_of(type);
  const size_t y_row = columns * ck_bytes_of(type);
  float mean[4] = {0, 0, 0, 0}, inverse[4];
  vfloat even[4] = {0, 0, 0, 0}, odd[4] = {0, 0, 0, 0};
  size_t j;
  if (centred) {
    for (j = 0; j < pairs; j += pair) {
      ahead = CK_NAME(norm_fetch)(ahead, share);
      NORM_EACH_ROW {
        even[r] += vload(x + r * columns + j);
        odd[r] += vload(x + r * columns + j + CK_LANES);
      }
    }
    if (j < whole) NORM_EACH_ROW even[r] += vload(x + r * columns + j);
    if (tail) NORM_EACH_ROW odd[r] += vload_part(x + r * columns + whole, tail, 0);
    NORM_EACH_ROW {
      mean[r] = vsum(even[r] + odd[r]) / (float)columns;
      even[r] = odd[r] = 0;
    }
  }
  for (j = 0; j < pairs; j += pair) {
    ahead = CK_NAME(norm_fetch)(ahead, share);
    NORM_EACH_ROW {
      vfloat a = vload(x + r * columns + j) - mean[r], b = vload(x + r * columns + j + CK_LANES) - mean[r];
      even[r] = vfma(a, a, even[r]);
      odd[r] = vfma(b, b, odd[r]);
    }
  }
  if (j < whole) {
    NORM_EACH_ROW {
      vfloat a = vload(x + r * columns + j) - mean[r];
      even[r] = vfma(a, a, even[r]);
    }
  }
  if (tail) {
    NORM_EACH_ROW {
      vfloat a = vload_part(x + r * columns + whole, tail, mean[r]) - mean[r];
      odd[r] = vfma(a, a, odd[r]);
    }
  }
  NORM_EACH_ROW inverse[r] = 1.0f / __builtin_sqrtf(vsum(even[r] + odd[r]) / (float)columns + job->epsilon);
#define NORM_OUTPUT(value, gain, bias)                                                                                 \
  (centred ? vfma(((value) - mean[r]) * inverse[r], gain, bias) : (value) * inverse[r] * (gain))
  for (j = 0; j < pairs; j += pair) {
    ahead = CK_NAME(norm_fetch)(ahead, share);
    vfloat g = vload(gain + j), h = vload(gain + j + CK_LANES), b = 0, c = 0;
    if (centred) b = vload(bias + j), c = vload(bias + j + CK_LANES);
    NORM_EACH_ROW {
      vfloat low = NORM_OUTPUT(vload(x + r * columns + j), g, b);
      vfloat high = NORM_OUTPUT(vload(x + r * columns + j + CK_LANES), h, c);
      vstore_pair_as(y + r * y_row, j, low, high, type, streams);
    }
  }
  if (j < whole) {
    vfloat g = vload(gain + j), b = 0;
    if (centred) b = vload(bias + j);
    NORM_EACH_ROW vstore_as(y + r * y_row, j, NORM_OUTPUT(vload(x + r * columns + j), g, b), type);
  }
  if (tail) {
    vfloat g = vload_part(gain + whole, tail, 0), b = 0;
    if (centred) b = vload_part(bias + whole, tail, 0);
    NORM_EACH_ROW {
      vfloat v = NORM_OUTPUT(vload_part(x + r * columns + whole, tail, 0), g, b);
      vstore_part_as(y + r * y_row, whole, tail, v, type);
    }
  }
#undef NORM_OUTPUT
  if (centred && job->mean_out) NORM_EACH_ROW job->mean_out[row + r] = mean[r];
  if (job->inverse_out) NORM_EACH_ROW job->inverse_out[row + r] = inverse[r];
}

// One function for each combination of constants. Long rows go two at a time, which leaves memory few streams; short
// ones four at a time.
#define NORM_ROWS(kind, centred, type, streams)                                                                        \
  static void CK_NAME(norm_##kind)(const norm_job *job, size_t first, size_t last) {                                   \
    if (job->columns <= 512)                                                                                           \
      for (; first + 4 <= last; first += 4) CK_NAME(norm_rows_together)(job, first, 4, centred, type, streams);        \
    for (; first + 2 <= last; first += 2) CK_NAME(norm_rows_together)(job, first, 2, centred, type, streams);          \
    for (; first < last; ++first) CK_NAME(norm_rows_together)(job, first, 1, centred, type, streams);                  \
  }
NORM_ROWS(layer_f32, true, CK_F32, false)
NORM_ROWS(layer_f32_streaming, true, CK_F32, true)
NORM_ROWS(layer_bf16, true, CK_BF16, false)
NORM_ROWS(layer_bf16_streaming, true, CK_BF16, true)
NORM_ROWS(rms_f32, false, CK_F32, false)
NORM_ROWS(rms_f32_streaming, false, CK_F32, true)
NORM_ROWS(rms_bf16, false, CK_BF16, false)
NORM_ROWS(rms_bf16_streaming, false, CK_BF16, true)
#undef NORM_ROWS

// One vector of one row on the way down: both averages of the row, and the column sums (rows in increasing order).
#define NORM_GATHER(d, value)                                                                                          \
  do {                                                                                                                 \
    vfloat d_ = d, n = ((value) - mean[r]) * inverse[r], g = d_ * w;                                                   \
    sum_gn[r] = vfma(g, n, sum_gn[r]);                                                                                 \
    gain_sum = vfma(d_, n, gain_sum);                                                                                  \
    if (centred) sum_g[r] += g, bias_sum += d_;                                                                        \
  } while (0)

// The constants as above; dx_bf16 and residual are looked at on the way: a branch is nothing beside the memory.
CK_VECTOR void CK_NAME(norm_rows_backward)(const norm_job *job, size_t row, const size_t together, const bool centred,
                                           const ck_type type, float *dgain, float *dbias) {
  const size_t columns = job->columns, pair = 2 * CK_LANES, pairs = columns / pair * pair;
  const size_t whole = columns / CK_LANES * CK_LANES, tail = columns - whole, dy_row = columns * ck_bytes_of(type);
  const float *x = job->x + row * columns, *gain = job->gain;
  const float *residual = job->residual ? job->residual + row * columns : NULL;
  const char *dy = (const char *)job->dy + row * dy_row;
  const char *x_ahead = (const char *)(x + together * columns), *dy_ahead = dy + together * dy_row;
  const char *residual_ahead = (const char *)residual;
  float *dx = (float *)job->y + row * columns;
  uint16_t *dx_bf16 = job->dx_bf16 ? job->dx_bf16 + row * columns : NULL;
  float mean[4] = {0, 0, 0, 0}, inverse[4];
  NORM_EACH_ROW {
    if (centred) mean[r] = job->mean[row + r];
    inverse[r] = job->inverse[row + r];
  }
  const size_t first_fetched = together > 1 ? together * CK_LANES * 3 / 4 : 0;
  vfloat sum_g[4] = {0, 0, 0, 0}, sum_gn[4] = {0, 0, 0, 0};
  size_t j;
  for (j = 0; j < whole; j += CK_LANES) {
    x_ahead = CK_NAME(norm_fetch)(x_ahead, first_fetched * sizeof(float));
    dy_ahead = CK_NAME(norm_fetch)(dy_ahead, first_fetched * ck_bytes_of(type));
    if (residual) residual_ahead = CK_NAME(norm_fetch)(residual_ahead, together * CK_LANES * sizeof(float));
    vfloat w = vload(gain + j), gain_sum = vload(dgain + j), bias_sum = 0;
    if (centred) bias_sum = vload(dbias + j);
    NORM_EACH_ROW NORM_GATHER(vload_as(dy + r * dy_row, j, type), vload(x + r * columns + j));
    vstore(dgain + j, gain_sum);
    if (centred) vstore(dbias + j, bias_sum);
  }
  if (tail) { // lanes that are missing have dy = 0 and add nothing
    vfloat w = vload_part(gain + j, tail, 0), gain_sum = vload_part(dgain + j, tail, 0), bias_sum = 0;
    if (centred) bias_sum = vload_part(dbias + j, tail, 0);
    NORM_EACH_ROW
    NORM_GATHER(vload_part_as(dy + r * dy_row, j, tail, 0, type), vload_part(x + r * columns + j, tail, 0));
    vstore_part(dgain + j, tail, gain_sum);
    if (centred) vstore_part(dbias + j, tail, bias_sum);
  }
  const size_t fetched = together > 1 ? pair * sizeof(float) : 0;
  for (size_t r = 0; r < together; ++r) {
    // dx = inverse g - (inverse avg(g n)) n - inverse avg(g)
    vfloat i = inverse[r], m = mean[r];
    vfloat along = -inverse[r] * (vsum(sum_gn[r]) / (float)columns);
    vfloat offset = centred ? -inverse[r] * (vsum(sum_g[r]) / (float)columns) : 0;
#define NORM_GRADIENT(d, w, value)                                                                                     \
  vfma((d) * (w), i, centred ? vfma(((value) - m) * i, along, offset) : (value) * i * along)
    for (j = 0; j < pairs; j += pair) {
      x_ahead = CK_NAME(norm_fetch)(x_ahead, fetched);
      dy_ahead = CK_NAME(norm_fetch)(dy_ahead, fetched / sizeof(float) * ck_bytes_of(type));
      const size_t k = j + CK_LANES;
      vfloat low = NORM_GRADIENT(vload_as(dy, j, type), vload(gain + j), vload(x + j));
      vfloat high = NORM_GRADIENT(vload_as(dy, k, type), vload(gain + k), vload(x + k));
      if (residual) low += vload(residual + j), high += vload(residual + k);
      vstore_pair_as(dx, j, low, high, CK_F32, job->streams);
      if (dx_bf16) vstore_pair_as(dx_bf16, j, low, high, CK_BF16, job->streams);
    }
    if (j < whole) {
      vfloat v = NORM_GRADIENT(vload_as(dy, j, type), vload(gain + j), vload(x + j));
      if (residual) v += vload(residual + j);
      vstore(dx + j, v);
      if (dx_bf16) vstore_as(dx_bf16, j, v, CK_BF16);
    }
    if (tail) {
      vfloat d = vload_part_as(dy, whole, tail, 0, type), w = vload_part(gain + whole, tail, 0);
      vfloat v = NORM_GRADIENT(d, w, vload_part(x + whole, tail, 0));
      if (residual) v += vload_part(residual + whole, tail, 0);
      vstore_part(dx + whole, tail, v);
      if (dx_bf16) vstore_part_as(dx_bf16, whole, tail, v, CK_BF16);
    }
#undef NORM_GRADIENT
    x += columns, dy += dy_row, dx += columns;
    if (residual) residual += columns;
    if (dx_bf16) dx_bf16 += columns;
  }
}
#undef NORM_GATHER

// Rows first ..< last of one chunk; dgain and dbias are the chunk's own sums.
#define NORM_CHUNK(kind, centred, type)                                                                                \
  static void CK_NAME(norm_chunk_##kind)(const norm_job *job, size_t first, size_t last, float *dgain, float *dbias) { \
    for (; first + 2 <= last; first += 2) CK_NAME(norm_rows_backward)(job, first, 2, centred, type, dgain, dbias);     \
    for (; first < last; ++first) CK_NAME(norm_rows_backward)(job, first, 1, centred, type, dgain, dbias);             \
  }
NORM_CHUNK(layer_f32, true, CK_F32)
NORM_CHUNK(layer_bf16, true, CK_BF16)
NORM_CHUNK(rms_f32, false, CK_F32)
NORM_CHUNK(rms_bf16, false, CK_BF16)
#undef NORM_CHUNK

static void CK_NAME(norm_tree)(float *partials, size_t chunks, size_t stride, size_t first, size_t last, ck_store store,
                               float *y) {
  vadd_tree(partials, chunks, stride, first, last, store, y);
}
#undef NORM_EACH_ROW
