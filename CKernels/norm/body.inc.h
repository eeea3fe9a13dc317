#include "vector/math.inc.h"
#include "vector/columns.inc.h"

#define NORM_EACH_ROW _Pragma("clang loop unroll(full)") for (size_t r = 0; r < together; ++r)

// `together` rows at once hide the latency from a row's sums to its result; each row's bits are the same as alone.
// It is a constant where this is inlined, so that the loops over rows unroll and the sums stay in registers.
CK_VECTOR void CK_NAME(norm_rows_together)(const norm_job *job, size_t row, const size_t together) {
  size_t columns = job->columns, whole = columns / CK_LANES * CK_LANES, tail = columns - whole, j;
  const float *x = job->x + row * columns, *gain = job->gain, *bias = job->bias;
  float *y = job->y + row * columns, mean[4], inverse[4];
  vfloat even[4] = {0, 0, 0, 0}, odd[4] = {0, 0, 0, 0};
  for (j = 0; j + 2 * CK_LANES <= whole; j += 2 * CK_LANES) {
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
  for (j = 0; j + 2 * CK_LANES <= whole; j += 2 * CK_LANES) {
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
  for (j = 0; j < whole; j += CK_LANES) {
    vfloat g = vload(gain + j), b = vload(bias + j);
    NORM_EACH_ROW {
      vfloat n = (vload(x + r * columns + j) - mean[r]) * inverse[r];
      vstore(y + r * columns + j, vfma(n, g, b));
    }
  }
  if (tail) {
    vfloat g = vload_part(gain + j, tail, 0), b = vload_part(bias + j, tail, 0);
    NORM_EACH_ROW {
      vfloat n = (vload_part(x + r * columns + j, tail, 0) - mean[r]) * inverse[r];
      vstore_part(y + r * columns + j, tail, vfma(n, g, b));
    }
  }
  if (job->mean_out) NORM_EACH_ROW job->mean_out[row + r] = mean[r];
  if (job->inverse_out) NORM_EACH_ROW job->inverse_out[row + r] = inverse[r];
}

static void CK_NAME(norm_rows)(const norm_job *job, size_t first, size_t last) {
  for (; first + 4 <= last; first += 4) CK_NAME(norm_rows_together)(job, first, 4);
  for (; first < last; ++first) CK_NAME(norm_rows_together)(job, first, 1);
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

CK_VECTOR void CK_NAME(norm_rows_backward)(const norm_job *job, size_t row, const size_t together, float *dgain,
                                           float *dbias) {
  size_t columns = job->columns, whole = columns / CK_LANES * CK_LANES, tail = columns - whole, j;
  const float *x = job->x + row * columns, *dy = job->dy + row * columns, *gain = job->gain;
  const float *mean = job->mean + row, *inverse = job->inverse + row;
  float *dx = job->y + row * columns;
  vfloat sum_g[4] = {0, 0, 0, 0}, sum_gn[4] = {0, 0, 0, 0};
  for (j = 0; j < whole; j += CK_LANES) {
    vfloat w = vload(gain + j), gain_sum = vload(dgain + j), bias_sum = vload(dbias + j);
    NORM_EACH_ROW NORM_GATHER(r, vload);
    vstore(dgain + j, gain_sum);
    vstore(dbias + j, bias_sum);
  }
  if (tail) { // lanes that are missing have dy = 0 and add nothing
    vfloat w = NORM_PART(gain + j), gain_sum = NORM_PART(dgain + j), bias_sum = NORM_PART(dbias + j);
    NORM_EACH_ROW NORM_GATHER(r, NORM_PART);
    vstore_part(dgain + j, tail, gain_sum);
    vstore_part(dbias + j, tail, bias_sum);
  }
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
#undef NORM_EACH_ROW
