#include "vector/math.inc.h"

typedef float CK_NAME(half_float) __attribute__((ext_vector_type(CK_LANES / 2)));
typedef double CK_NAME(half_double) __attribute__((ext_vector_type(CK_LANES / 2)));

CK_VECTOR CK_NAME(half_double) CK_NAME(widen)(const float *p) {
  CK_NAME(half_float) v;
  __builtin_memcpy(&v, p, sizeof v);
  return __builtin_convertvector(v, CK_NAME(half_double));
}

// Squares of f32 are exact in f64.
static double CK_NAME(squares)(const float *x, size_t count) {
  enum { HALF = CK_LANES / 2 };
  CK_NAME(half_double) s[4] = {0, 0, 0, 0};
  size_t i = 0;
  for (; i + 4 * HALF <= count; i += 4 * HALF)
    for (size_t k = 0; k < 4; ++k) {
      CK_NAME(half_double) v = CK_NAME(widen)(x + i + k * HALF);
      s[k] += v * v;
    }
  double rest = 0;
  for (; i < count; ++i) rest += (double)x[i] * x[i];
  CK_NAME(half_double) t = (s[0] + s[1]) + (s[2] + s[3]);
  double lanes[HALF];
  __builtin_memcpy(lanes, &t, sizeof lanes);
  for (size_t width = HALF / 2; width > 0; width /= 2)
    for (size_t k = 0; k < width; ++k) lanes[k] += lanes[k + width];
  return lanes[0] + rest;
}

// Without its sign the pattern of an infinity or NaN is 0x7f800000 or more as an integer.
static bool CK_NAME(finite)(const float *x, size_t count) {
  vint highest[4] = {0, 0, 0, 0};
  size_t i = 0;
  for (; i + 4 * CK_LANES <= count; i += 4 * CK_LANES)
    for (size_t k = 0; k < 4; ++k) {
      vint bits = (vint)vload(x + i + k * CK_LANES) & 0x7fffffff;
      highest[k] = bits > highest[k] ? bits : highest[k];
    }
  for (; i < count; i += CK_LANES) {
    vint bits = (vint)vload_part(x + i, ck_min(CK_LANES, count - i), 0) & 0x7fffffff;
    highest[0] = bits > highest[0] ? bits : highest[0];
  }
  vint found =
      (highest[0] >= 0x7f800000) | (highest[1] >= 0x7f800000) | (highest[2] >= 0x7f800000) | (highest[3] >= 0x7f800000);
  return __builtin_reduce_or(found) == 0;
}
