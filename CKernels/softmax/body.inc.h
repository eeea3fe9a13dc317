#include "vector/math.inc.h"
#include "vector/exponent.inc.h"

// A row in the nearest cache leaves memory idle, so that each step of the passes over it also fetches `lines` of what
// follows it, into the second-level cache. Past the end of an array that is no harm.
CK_VECTOR void CK_NAME(softmax_fetch)(const float *ahead, const size_t lines) {
  for (size_t line = 0; line < lines; ++line) __builtin_prefetch(ahead + 16 * line, 0, 2);
}

CK_VECTOR void CK_NAME(softmax_store)(float *p, vfloat v, const bool streams) {
  if (streams)
    __builtin_nontemporal_store(v, (vfloat *)p);
  else
    vstore(p, v);
}

// Greatest, exponentials and their sum: e[j] = exp(x[j] - greatest); the result is what they are to be multiplied by.
// e may be x. When `before` is not NULL, each step also writes its part of the row before, e_before times scale, around
// the caches: a burst of such stores between the rows would hold up arithmetic.
CK_VECTOR float CK_NAME(softmax_exponentials)(const float *x, size_t columns, float *e, float *before,
                                              const float *e_before, float scale) {
  const size_t whole = columns / CK_LANES * CK_LANES, tail = columns - whole;
  const vfloat lowest = -__builtin_inff();
  const size_t lines = 4 * CK_LANES / 16; // of a step of four vectors
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
  for (j = 0; j + 4 * CK_LANES <= whole; j += 4 * CK_LANES) {
    CK_NAME(softmax_fetch)(x + columns + j, lines);
    if (before)
      for (size_t k = j; k < j + 4 * CK_LANES; k += CK_LANES)
        __builtin_nontemporal_store(vload(e_before + k) * scale, (vfloat *)(before + k));
    vfloat a = vexp_below(vload(x + j) - m), b = vexp_below(vload(x + j + CK_LANES) - m);
    vfloat c = vexp_below(vload(x + j + 2 * CK_LANES) - m), d = vexp_below(vload(x + j + 3 * CK_LANES) - m);
    vstore(e + j, a), vstore(e + j + CK_LANES, b), vstore(e + j + 2 * CK_LANES, c), vstore(e + j + 3 * CK_LANES, d);
    s0 += a, s1 += b;
    s0 += c, s1 += d;
  }
  for (; j < whole; j += CK_LANES) {
    if (before) __builtin_nontemporal_store(vload(e_before + j) * scale, (vfloat *)(before + j));
    vfloat a = vexp_below(vload(x + j) - m);
    vstore(e + j, a);
    s0 += a;
  }
  if (tail) {
    vfloat a = vexp_below(vload_part(x + j, tail, -__builtin_inff()) - m); // missing lanes give 0
    vstore_part(e + j, tail, a);
    s1 += a;
  }
  return 1.0f / vsum(s0 + s1);
}

CK_VECTOR void CK_NAME(softmax_scale)(const float *e, size_t columns, float scale, float *y) {
  const size_t whole = columns / CK_LANES * CK_LANES, tail = columns - whole;
  for (size_t j = 0; j < whole; j += CK_LANES) vstore(y + j, vload(e + j) * scale);
  if (tail) vstore_part(y + whole, tail, vload_part(e + whole, tail, 0) * scale);
}

// A row stays in the nearest caches. Its exponentials are kept in y itself, or, when y is written around the caches, in
// one of two rows of scratch until the next row is at work.
static void CK_NAME(softmax)(const softmax_job *job, size_t first, size_t last, float *scratch) {
  const size_t columns = job->columns;
  const float *x = job->x + first * columns;
  float *y = job->y + first * columns;
  if (!job->streams) {
    for (size_t row = first; row < last; ++row, x += columns, y += columns)
      CK_NAME(softmax_scale)(y, columns, CK_NAME(softmax_exponentials)(x, columns, y, NULL, NULL, 0), y);
    return;
  }
  float *e = scratch, *e_before = scratch + columns;
  float scale = CK_NAME(softmax_exponentials)(x, columns, e, NULL, NULL, 0);
  for (size_t row = first + 1; row < last; ++row) {
    x += columns, y += columns;
    float *written = e;
    e = e_before, e_before = written;
    scale = CK_NAME(softmax_exponentials)(x, columns, e, y - columns, e_before, scale);
  }
  CK_NAME(softmax_scale)(e, columns, scale, y);
}

CK_VECTOR void CK_NAME(softmax_row_backward)(const float *dy, const float *y, size_t columns, float *dx,
                                             const bool streams) {
  const size_t whole = columns / CK_LANES * CK_LANES, tail = columns - whole;
  const size_t lines = 4 * CK_LANES / 16; // of a step of four vectors
  vfloat s0 = 0, s1 = 0, s2 = 0, s3 = 0;
  size_t j = 0;
  for (; j + 4 * CK_LANES <= whole; j += 4 * CK_LANES) {
    CK_NAME(softmax_fetch)(dy + columns + j, lines);
    CK_NAME(softmax_fetch)(y + columns + j, lines);
    s0 = vfma(vload(dy + j), vload(y + j), s0);
    s1 = vfma(vload(dy + j + CK_LANES), vload(y + j + CK_LANES), s1);
    s2 = vfma(vload(dy + j + 2 * CK_LANES), vload(y + j + 2 * CK_LANES), s2);
    s3 = vfma(vload(dy + j + 3 * CK_LANES), vload(y + j + 3 * CK_LANES), s3);
  }
  for (; j < whole; j += CK_LANES) s0 = vfma(vload(dy + j), vload(y + j), s0);
  if (tail) s1 = vfma(vload_part(dy + j, tail, 0), vload_part(y + j, tail, 0), s1);
  vfloat dot = vsum((s0 + s1) + (s2 + s3));
  for (j = 0; j < whole; j += CK_LANES) CK_NAME(softmax_store)(dx + j, vload(y + j) * (vload(dy + j) - dot), streams);
  if (tail) vstore_part(dx + j, tail, vload_part(y + j, tail, 0) * (vload_part(dy + j, tail, 0) - dot));
}

static void CK_NAME(softmax_backward)(const softmax_job *job, size_t first, size_t last, float *scratch) {
  const size_t columns = job->columns;
  for (size_t row = first; row < last; ++row) {
    const float *dy = job->dy + row * columns, *y = job->x + row * columns;
    float *dx = job->y + row * columns;
    if (job->streams)
      CK_NAME(softmax_row_backward)(dy, y, columns, dx, true);
    else
      CK_NAME(softmax_row_backward)(dy, y, columns, dx, false);
  }
}
