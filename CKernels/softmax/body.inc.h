#include "vector/math.inc.h"

// Three passes over a row, which stays in the nearest caches: greatest, exponentials and their sum, division.
static void CK_NAME(softmax)(const softmax_job *job, size_t first, size_t last) {
  size_t columns = job->columns, whole = columns / CK_LANES * CK_LANES, tail = columns - whole;
  const vfloat lowest = -__builtin_inff();
  for (size_t row = first; row < last; ++row) {
    const float *x = job->x + row * columns;
    float *y = job->y + row * columns;
    vfloat m0 = lowest, m1 = lowest, m2 = lowest, m3 = lowest;
    size_t j = 0;
    for (; j + 4 * CK_LANES <= whole; j += 4 * CK_LANES) {
      m0 = vmax(vload(x + j), m0);
      m1 = vmax(vload(x + j + CK_LANES), m1);
      m2 = vmax(vload(x + j + 2 * CK_LANES), m2);
      m3 = vmax(vload(x + j + 3 * CK_LANES), m3);
    }
    for (; j < whole; j += CK_LANES) m0 = vmax(vload(x + j), m0);
    if (tail) m1 = vmax(vload_part(x + j, tail, -__builtin_inff()), m1);
    vfloat m = vhighest(vmax(vmax(m0, m1), vmax(m2, m3)));

    vfloat s0 = 0, s1 = 0;
    for (j = 0; j + 2 * CK_LANES <= whole; j += 2 * CK_LANES) {
      vfloat a = vexp(vload(x + j) - m), b = vexp(vload(x + j + CK_LANES) - m);
      vstore(y + j, a), vstore(y + j + CK_LANES, b);
      s0 += a, s1 += b;
    }
    for (; j < whole; j += CK_LANES) {
      vfloat a = vexp(vload(x + j) - m);
      vstore(y + j, a);
      s0 += a;
    }
    if (tail) {
      vfloat a = vexp(vload_part(x + j, tail, -__builtin_inff()) - m); // missing lanes give 0
      vstore_part(y + j, tail, a);
      s1 += a;
    }
    vfloat scale = 1.0f / vsum(s0 + s1);
    for (j = 0; j < whole; j += CK_LANES) vstore(y + j, vload(y + j) * scale);
    if (tail) vstore_part(y + j, tail, vload_part(y + j, tail, 0) * scale);
  }
}

static void CK_NAME(softmax_backward)(const softmax_job *job, size_t first, size_t last) {
  size_t columns = job->columns, whole = columns / CK_LANES * CK_LANES, tail = columns - whole;
  for (size_t row = first; row < last; ++row) {
    const float *dy = job->dy + row * columns, *y = job->x + row * columns;
    float *dx = job->y + row * columns;
    vfloat s0 = 0, s1 = 0, s2 = 0, s3 = 0;
    size_t j = 0;
    for (; j + 4 * CK_LANES <= whole; j += 4 * CK_LANES) {
      s0 = vfma(vload(dy + j), vload(y + j), s0);
      s1 = vfma(vload(dy + j + CK_LANES), vload(y + j + CK_LANES), s1);
      s2 = vfma(vload(dy + j + 2 * CK_LANES), vload(y + j + 2 * CK_LANES), s2);
      s3 = vfma(vload(dy + j + 3 * CK_LANES), vload(y + j + 3 * CK_LANES), s3);
    }
    for (; j < whole; j += CK_LANES) s0 = vfma(vload(dy + j), vload(y + j), s0);
    if (tail) s1 = vfma(vload_part(dy + j, tail, 0), vload_part(y + j, tail, 0), s1);
    vfloat dot = vsum((s0 + s1) + (s2 + s3));
    for (j = 0; j < whole; j += CK_LANES) vstore(dx + j, vload(y + j) * (vload(dy + j) - dot));
    if (tail) vstore_part(dx + j, tail, vload_part(y + j, tail, 0) * (vload_part(dy + j, tail, 0) - dot));
  }
}
