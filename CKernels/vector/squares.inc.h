// The inner product of two spans, and the sum of squares of one, in double precision. Needs vector/math.inc.h first.

typedef float CK_NAME(half_float) __attribute__((ext_vector_type(CK_LANES / 2)));
typedef double CK_NAME(half_double) __attribute__((ext_vector_type(CK_LANES / 2)));

CK_VECTOR CK_NAME(half_double) CK_NAME(widen)(const float *p) {
  CK_NAME(half_float) v;
  __builtin_memcpy(&v, p, sizeof v);
  return __builtin_convertvector(v, CK_NAME(half_double));
}

// Products of f32 are exact in f64.
CK_VECTOR double CK_NAME(dot)(const float *x, const float *y, size_t count) {
  enum { HALF = CK_LANES / 2 };
  CK_NAME(half_double) s[4] = {0, 0, 0, 0};
  size_t i = 0;
  for (; i + 4 * HALF <= count; i += 4 * HALF)
    for (size_t k = 0; k < 4; ++k) s[k] += CK_NAME(widen)(x + i + k * HALF) * CK_NAME(widen)(y + i + k * HALF);
  double rest = 0;
  for (; i < count; ++i) rest += (double)x[i] * y[i];
  CK_NAME(half_double) t = (s[0] + s[1]) + (s[2] + s[3]);
  double lanes[HALF];
  __builtin_memcpy(lanes, &t, sizeof lanes);
  for (size_t width = HALF / 2; width > 0; width /= 2)
    for (size_t k = 0; k < width; ++k) lanes[k] += lanes[k + width];
  return lanes[0] + rest;
}

CK_VECTOR double CK_NAME(squares)(const float *x, size_t count) { return CK_NAME(dot)(x, x, count); }
