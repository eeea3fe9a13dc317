#include "vector/math.inc.h"

static void CK_NAME(forward)(const relu_job *job, size_t first, size_t last) {
  const float *x = job->x;
  float *z = job->z;
  // Written so that NaN fails the comparison and stays.
  for (size_t i = first; i < last; i++) z[i] = x[i] < 0 ? 0 : x[i];
}

static void CK_NAME(backward)(const relu_job *job, size_t first, size_t last) {
  const float *dy = job->x, *y = job->y;
  float *dx = job->z;
  for (size_t i = first; i < last; i++) dx[i] = y[i] > 0 ? dy[i] : 0;
}
