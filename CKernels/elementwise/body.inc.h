#include "vector/math.inc.h"

static void CK_NAME(add)(const elementwise_job *job, size_t first, size_t last) {
  const float *x = job->x, *y = job->y;
  float *z = job->z;
  size_t i = first;
  for (; i + CK_LANES <= last; i += CK_LANES) vstore(z + i, vload(x + i) + vload(y + i));
  if (i < last) vstore_part(z + i, last - i, vload_part(x + i, last - i, 0) + vload_part(y + i, last - i, 0));
}

static void CK_NAME(scale)(const elementwise_job *job, size_t first, size_t last) {
  const float *x = job->x;
  float *z = job->z, factor = job->factor;
  size_t i = first;
  for (; i + CK_LANES <= last; i += CK_LANES) vstore(z + i, vload(x + i) * factor);
  if (i < last) vstore_part(z + i, last - i, vload_part(x + i, last - i, 0) * factor);
}

static void CK_NAME(combine)(const elementwise_job *job, size_t first, size_t last) {
  const float *x = job->x, *y = job->y;
  float *z = job->z;
  const vfloat a = job->factor, b = job->other;
  size_t i = first;
  for (; i + CK_LANES <= last; i += CK_LANES) vstore(z + i, vfma(a, vload(x + i), b * vload(y + i)));
  if (i < last) {
    const size_t n = last - i;
    vstore_part(z + i, n, vfma(a, vload_part(x + i, n, 0), b * vload_part(y + i, n, 0)));
  }
}

static void CK_NAME(relu)(const elementwise_job *job, size_t first, size_t last) {
  const float *x = job->x;
  float *z = job->z;
  // Written so that NaN fails the comparison and stays.
  for (size_t i = first; i < last; i++) z[i] = x[i] < 0 ? 0 : x[i];
}

static void CK_NAME(relu_backward)(const elementwise_job *job, size_t first, size_t last) {
  const float *dy = job->x, *y = job->y;
  float *dx = job->z;
  for (size_t i = first; i < last; i++) dx[i] = y[i] > 0 ? dy[i] : 0;
}
