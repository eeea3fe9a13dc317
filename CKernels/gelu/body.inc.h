#include "vector/math.inc.h"

#define GELU_2_SQRT_2_OVER_PI 1.59576912160573071f
#define GELU_CUBIC 0.044715f

// x / (1 + exp(-2u)): the negative side keeps its relative accuracy, where 1 + tanh u would cancel.
CK_VECTOR vfloat CK_NAME(gelu_tanh)(vfloat x) {
  vfloat u = x * vfma(x * x, (vfloat)(-GELU_2_SQRT_2_OVER_PI * GELU_CUBIC), (vfloat)(-GELU_2_SQRT_2_OVER_PI));
  return x / (1.0f + vexp(u));
}

// With s = 1 / (1 + e), e = exp(-2u): (x s)' = s + x s (1 - s) 2u' = s (1 + x 2u' e s).
// Beyond |x| = 10 the derivative is 0 or 1 to within 1e-37, and staying inside keeps e finite.
CK_VECTOR vfloat CK_NAME(gelu_tanh_derivative)(vfloat x) {
  x = vmax((vfloat)(-10.0f), vmin((vfloat)(10.0f), x));
  vfloat square = x * x;
  vfloat u = x * vfma(square, (vfloat)(-GELU_2_SQRT_2_OVER_PI * GELU_CUBIC), (vfloat)(-GELU_2_SQRT_2_OVER_PI));
  vfloat slope = vfma(square, (vfloat)(3 * GELU_2_SQRT_2_OVER_PI * GELU_CUBIC), (vfloat)(GELU_2_SQRT_2_OVER_PI));
  vfloat e = vexp(u), s = 1.0f / (1.0f + e);
  return s * vfma(x * slope, e * s, (vfloat)(1.0f));
}

// The normal distribution function, from erfc on the negative side so that small values do not cancel.
CK_VECTOR vfloat CK_NAME(normal_distribution)(vfloat x) {
  vfloat a = x * 0.707106781186547524f, magnitude = vabs(a);
  vfloat tail = 0.5f * verf_tail(magnitude);
  vfloat near = vfma((vfloat)(0.5f), verf_near(a), (vfloat)(0.5f));
  return magnitude < 0.927734375f ? near : (x < 0.0f ? tail : 1.0f - tail);
}

CK_VECTOR vfloat CK_NAME(gelu_erf)(vfloat x) { return x * CK_NAME(normal_distribution)(x); }

// Phi(x) + x phi(x), phi the normal density.
CK_VECTOR vfloat CK_NAME(gelu_erf_derivative)(vfloat x) {
  vfloat density = 0.398942280401432678f * vexp(x * x * -0.5f);
  return vfma(x, density, CK_NAME(normal_distribution)(x));
}

#define GELU_FORWARD(form)                                                                                             \
  static void CK_NAME(form##_forward)(const gelu_job *job, size_t first, size_t last) {                                \
    const float *x = job->x;                                                                                           \
    float *y = job->y;                                                                                                 \
    size_t i = first;                                                                                                  \
    for (; i + CK_LANES <= last; i += CK_LANES) vstore(y + i, CK_NAME(form)(vload(x + i)));                            \
    if (i < last) vstore_part(y + i, last - i, CK_NAME(form)(vload_part(x + i, last - i, 0)));                         \
  }
#define GELU_BACKWARD(form)                                                                                            \
  static void CK_NAME(form##_backward)(const gelu_job *job, size_t first, size_t last) {                               \
    const float *x = job->x, *dy = job->dy;                                                                            \
    float *dx = job->y;                                                                                                \
    size_t i = first;                                                                                                  \
    for (; i + CK_LANES <= last; i += CK_LANES)                                                                        \
      vstore(dx + i, vload(dy + i) * CK_NAME(form##_derivative)(vload(x + i)));                                        \
    if (i < last)                                                                                                      \
      vstore_part(dx + i, last - i,                                                                                    \
                  vload_part(dy + i, last - i, 0) * CK_NAME(form##_derivative)(vload_part(x + i, last - i, 0)));       \
  }
GELU_FORWARD(gelu_tanh)
GELU_FORWARD(gelu_erf)
GELU_BACKWARD(gelu_tanh)
GELU_BACKWARD(gelu_erf)
#undef GELU_FORWARD
#undef GELU_BACKWARD
#undef GELU_2_SQRT_2_OVER_PI
#undef GELU_CUBIC
