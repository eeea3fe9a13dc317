// See ck_requantize.h. A block of columns at a time, so that what belongs to a column is loaded once for many rows.
#include "vector/math.inc.h"

typedef int64_t CK_NAME(requantize_wide) __attribute__((ext_vector_type(CK_LANES / 2)));
typedef uint64_t CK_NAME(requantize_uwide) __attribute__((ext_vector_type(CK_LANES / 2)));
typedef uint8_t CK_NAME(requantize_bytes) __attribute__((ext_vector_type(CK_LANES)));

// What belongs to CK_LANES columns, and the shift in the forms that it is used in.
typedef struct CK_NAME(requantize_columns) {
  vint zeros, bias, multipliers, left, right, mask, half, lowest, highest;
} CK_NAME(requantize_columns);

CK_VECTOR vint CK_NAME(requantize_part)(const int32_t *p, size_t n) {
  return (vint)vload_part((const float *)(const void *)p, n, 0);
}

CK_VECTOR CK_NAME(requantize_columns) CK_NAME(requantize_load)(const ck_requantization *how, size_t j, size_t n) {
  CK_NAME(requantize_columns) c;
  c.zeros = how->row_sums ? CK_NAME(requantize_part)(how->column_zeros + j, n) : (vint)0;
  c.bias = CK_NAME(requantize_part)(how->bias + j, n);
  c.multipliers = CK_NAME(requantize_part)(how->multipliers + j, n);
  const vint shift = CK_NAME(requantize_part)(how->shifts + j, n);
  c.left = shift < 0 ? -shift : (vint)0;
  c.right = shift > 0 ? shift : (vint)0;
  c.mask = (vint)(((vuint)1 << (vuint)c.right) - 1);
  c.half = (vint)((vuint)c.mask >> 1);
  c.lowest = (vint)INT32_MIN >> c.left;
  c.highest = (vint)INT32_MAX >> c.left;
  return c;
}

// Multipliers are not negative, so that twice the product fits: nothing saturates here.
CK_VECTOR vint CK_NAME(requantize_high)(vint v, vint multipliers) {
  // Even and odd lanes apart, as 64-bit products have them: nothing crosses lanes.
  const CK_NAME(requantize_wide) x = (CK_NAME(requantize_wide))v, m = (CK_NAME(requantize_wide))multipliers;
  const CK_NAME(requantize_wide) even = ((x << 32) >> 32) * ((m << 32) >> 32) + (1ll << 30);
  const CK_NAME(requantize_wide) odd = (x >> 32) * (m >> 32) + (1ll << 30);
  // Bits 31 to 62 of each, in its lane's place; a shift without sign has the same, and AVX2 has one.
  const CK_NAME(requantize_uwide) low = (CK_NAME(requantize_uwide))even >> 31,
                                  high = (CK_NAME(requantize_uwide))odd << 1;
  return (vint)((low & 0xffffffffull) | (high & ~0xffffffffull));
}

CK_VECTOR vint CK_NAME(requantize_some)(vint v, const CK_NAME(requantize_columns) * c) {
  vint shifted = (vint)((vuint)v << (vuint)c->left);
  shifted = v > c->highest ? (vint)INT32_MAX : shifted;
  shifted = v < c->lowest ? (vint)INT32_MIN : shifted;
  const vint high = CK_NAME(requantize_high)(shifted, c->multipliers);
  const vint remainder = high & c->mask;
  const vint threshold = c->half - (high < 0); // a comparison that holds is -1
  return (high >> c->right) - (remainder > threshold);
}

CK_VECTOR vint CK_NAME(requantize_value)(const requantize_job *job, const CK_NAME(requantize_columns) * c, size_t i,
                                         size_t j, size_t n) {
  const int32_t *p = job->sums + i * job->columns + j;
  vint v;
  if (n == CK_LANES)
    __builtin_memcpy(&v, p, sizeof v);
  else
    v = CK_NAME(requantize_part)(p, n);
  vuint sum = (vuint)v + (vuint)c->bias;
  if (job->how.row_sums) sum -= (vuint)c->zeros * (uint32_t)job->how.row_sums[i];
  return CK_NAME(requantize_some)((vint)sum, c);
}

static void CK_NAME(requantize_u8_rows)(const requantize_job *job, size_t first, size_t last) {
  // Clamped before the zero point is added, so that the sum cannot overflow.
  const int32_t low = job->how.low - job->how.zero, high = job->how.high - job->how.zero;
  for (size_t block = 0; block < job->columns; block += CK_LANES) {
    const size_t n = ck_min(job->columns, CK_LANES);
    // The last columns are made together with some that were made before: a whole vector takes less than a part of one.
    const size_t j = ck_min(block, job->columns - n);
    const CK_NAME(requantize_columns) c = CK_NAME(requantize_load)(&job->how, j, n);
    for (size_t i = first; i < last; i++) {
      vint v = CK_NAME(requantize_value)(job, &c, i, j, n);
      v = v < low ? (vint)low : v;
      v = (v > high ? (vint)high : v) + job->how.zero;
      const CK_NAME(requantize_bytes) bytes = __builtin_convertvector((vuint)v, CK_NAME(requantize_bytes));
      uint8_t *y = (uint8_t *)job->y + i * job->columns + j;
      if (n == CK_LANES)
        __builtin_memcpy(y, &bytes, sizeof bytes);
      else
        __builtin_memcpy(y, &bytes, n);
    }
  }
}

static void CK_NAME(requantize_u8)(const requantize_job *job, size_t first, size_t last) {
  const size_t some = requantize_some_rows(job);
  for (size_t i = first; i < last; i += some) CK_NAME(requantize_u8_rows)(job, i, ck_min(i + some, last));
}

static void CK_NAME(requantize_s32_rows)(const requantize_job *job, size_t first, size_t last) {
  for (size_t j = 0; j < job->columns; j += CK_LANES) {
    const size_t n = ck_min(job->columns - j, CK_LANES);
    const CK_NAME(requantize_columns) c = CK_NAME(requantize_load)(&job->how, j, n);
    for (size_t i = first; i < last; i++) {
      const vint v = CK_NAME(requantize_value)(job, &c, i, j, n);
      __builtin_memcpy((int32_t *)job->y + i * job->columns + j, &v, n * sizeof(int32_t));
    }
  }
}

static void CK_NAME(requantize_s32)(const requantize_job *job, size_t first, size_t last) {
  const size_t some = requantize_some_rows(job);
  for (size_t i = first; i < last; i += some) CK_NAME(requantize_s32_rows)(job, i, ck_min(i + some, last));
}

static void CK_NAME(row_sums)(const requantize_job *job, size_t first, size_t last) {
  for (size_t i = first; i < last; i++) {
    const uint8_t *x = job->x + i * job->columns;
    uint32_t sum = 0;
    for (size_t j = 0; j < job->columns; j++) sum += x[j];
    ((int32_t *)job->y)[i] = (int32_t)sum;
  }
}
