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
