#include "vector/math.inc.h"
#include "vector/columns.inc.h"

// Sum over the row of x[j] - shift, or of its square; four sums at once hide the latency of the additions.
CK_VECTOR float CK_NAME(row_sum)(const float *x, size_t columns) {
  size_t j = 0;
  vfloat s0 = 0, s1 = 0, s2 = 0, s3 = 0;
  for (; j + 4 * CK_LANES <= columns; j += 4 * CK_LANES) {
    s0 += vload(x + j);
    s1 += vload(x + j + CK_LANES);
    s2 += vload(x + j + 2 * CK_LANES);
    s3 += vload(x + j + 3 * CK_LANES);
  }
  for (; j + CK_LANES <= columns; j += CK_LANES) s0 += vload(x + j);
  if (j < columns) s1 += vload_part(x + j, columns - j, 0);
  return vsum((s0 + s1) + (s2 + s3));
}

CK_VECTOR float CK_NAME(row_squares)(const float *x, size_t columns, float mean) {
  size_t j = 0;
  vfloat s0 = 0, s1 = 0, s2 = 0, s3 = 0;
  for (; j + 4 * CK_LANES <= columns; j += 4 * CK_LANES) {
    vfloat d0 = vload(x + j) - mean, d1 = vload(x + j + CK_LANES) - mean;
    vfloat d2 = vload(x + j + 2 * CK_LANES) - mean, d3 = vload(x + j + 3 * CK_LANES) - mean;
    s0 = vfma(d0, d0, s0);
    s1 = vfma(d1, d1, s1);
    s2 = vfma(d2, d2, s2);
    s3 = vfma(d3, d3, s3);
  }
  for (; j + CK_LANES <= columns; j += CK_LANES) {
    vfloat d = vload(x + j) - mean;
    s0 = vfma(d, d, s0);
  }
  if (j < columns) {
    vfloat d = vload_part(x + j, columns - j, mean) - mean;
    s1 = vfma(d, d, s1);
  }
  return vsum((s0 + s1) + (s2 + s3));
}

static void CK_NAME(norm_rows)(const norm_job *job, size_t first, size_t last) {
  size_t columns = job->columns, whole = columns / CK_LANES * CK_LANES, tail = columns - whole;
  const float *gain = job->gain, *bias = job->bias;
  for (size_t row = first; row < last; ++row) {
    const float *x = job->x + row * columns;
    float *y = job->y + row * columns;
    float mean = CK_NAME(row_sum)(x, columns) / (float)columns;
    float variance = CK_NAME(row_squares)(x, columns, mean) / (float)columns;
    float inverse = 1.0f / __builtin_sqrtf(variance + job->epsilon);
    for (size_t j = 0; j < whole; j += CK_LANES)
      vstore(y + j, vfma((vload(x + j) - mean) * inverse, vload(gain + j), vload(bias + j)));
    if (tail) {
      vfloat n = (vload_part(x + whole, tail, mean) - mean) * inverse;
      vstore_part(y + whole, tail, vfma(n, vload_part(gain + whole, tail, 0), vload_part(bias + whole, tail, 0)));
    }
    if (job->mean_out) job->mean_out[row] = mean;
    if (job->inverse_out) job->inverse_out[row] = inverse;
  }
}

// One vector of one row on the way down: both averages of the row, and the column sums (rows in increasing order).
#define NORM_GATHER(r, n_valid)                                                                                        \
  do {                                                                                                                 \
    vfloat d = n_valid(dy + (r) * columns + j), n = (n_valid(x + (r) * columns + j) - mean[r]) * inverse[r];           \
    vfloat g = d * w;                                                                                                  \
    sum_g[r] += g;                                                                                                     \
    sum_gn[r] = vfma(g, n, sum_gn[r]);                                                                                 \
    gain_sum = vfma(d, n, gain_sum);                                                                                   \
    bias_sum += d;                                                                                                     \
  } while (0)
#define NORM_PART(p) vload_part(p, tail, 0)

// `together` is a constant where this is inlined, so that its loops unroll and the sums stay in registers.
CK_VECTOR void CK_NAME(norm_rows_backward)(const norm_job *job, size_t row, const size_t together, float *dgain,
                                           float *dbias) {
  size_t columns = job->columns, whole = columns / CK_LANES * CK_LANES, tail = columns - whole, j;
  const float *x = job->x + row * columns, *dy = job->dy + row * columns, *gain = job->gain;
  const float *mean = job->mean + row, *inverse = job->inverse + row;
  float *dx = job->y + row * columns;
  vfloat sum_g[4] = {0, 0, 0, 0}, sum_gn[4] = {0, 0, 0, 0};
  for (j = 0; j < whole; j += CK_LANES) {
    vfloat w = vload(gain + j), gain_sum = vload(dgain + j), bias_sum = vload(dbias + j);
#pragma clang loop unroll(full)
    for (size_t r = 0; r < together; ++r) NORM_GATHER(r, vload);
    vstore(dgain + j, gain_sum);
    vstore(dbias + j, bias_sum);
  }
  if (tail) { // lanes that are missing have dy = 0 and add nothing
    vfloat w = NORM_PART(gain + j), gain_sum = NORM_PART(dgain + j), bias_sum = NORM_PART(dbias + j);
#pragma clang loop unroll(full)
    for (size_t r = 0; r < together; ++r) NORM_GATHER(r, NORM_PART);
    vstore_part(dgain + j, tail, gain_sum);
    vstore_part(dbias + j, tail, bias_sum);
  }
#pragma clang loop unroll(full)
  for (size_t r = 0; r < together; ++r, x += columns, dy += columns, dx += columns) {
    // dx = inverse g - (inverse avg(g n)) n - inverse avg(g)
    vfloat i = inverse[r], m = mean[r];
    vfloat along = -inverse[r] * (vsum(sum_gn[r]) / (float)columns);
    vfloat offset = -inverse[r] * (vsum(sum_g[r]) / (float)columns);
    for (j = 0; j < whole; j += CK_LANES) {
      vfloat n = (vload(x + j) - m) * i;
      vstore(dx + j, vfma(vload(dy + j) * vload(gain + j), i, vfma(n, along, offset)));
    }
    if (tail) {
      vfloat n = (NORM_PART(x + j) - m) * i;
      vstore_part(dx + j, tail, vfma(NORM_PART(dy + j) * NORM_PART(gain + j), i, vfma(n, along, offset)));
    }
  }
}
#undef NORM_GATHER
#undef NORM_PART

// Rows first ..< last of one chunk; dgain and dbias are the chunk's own sums.
static void CK_NAME(norm_chunk_backward)(const norm_job *job, size_t first, size_t last, float *dgain, float *dbias) {
  for (; first + 4 <= last; first += 4) CK_NAME(norm_rows_backward)(job, first, 4, dgain, dbias);
  for (; first < last; ++first) CK_NAME(norm_rows_backward)(job, first, 1, dgain, dbias);
}

static void CK_NAME(norm_tree)(float *partials, size_t chunks, size_t stride, size_t first, size_t last, float *y) {
  vadd_tree(partials, chunks, stride, first, last, y);
}
