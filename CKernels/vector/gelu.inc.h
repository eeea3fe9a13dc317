// Activations at the width of the including body. Needs vector/math.inc.h first.
//
//   vgelu_tanh vgelu_tanh_derivative vgelu_erf vgelu_erf_derivative     ck_gelu.h has the formulas
//   vsilu                                                               x / (1 + exp(-x))
#ifndef CK_VECTOR_GELU_H
#define CK_VECTOR_GELU_H
#define vgelu_tanh CK_NAME(ck_vgelu_tanh)
#define vgelu_tanh_derivative CK_NAME(ck_vgelu_tanh_derivative)
#define vgelu_erf CK_NAME(ck_vgelu_erf)
#define vgelu_erf_derivative CK_NAME(ck_vgelu_erf_derivative)
#define vnormal_distribution CK_NAME(ck_vnormal_distribution)
#define vsilu CK_NAME(ck_vsilu)
#define CK_2_SQRT_2_OVER_PI 1.59576912160573071f
#define CK_GELU_CUBIC 0.044715f
#endif

// x / (1 + exp(-2u)): the negative side keeps its relative accuracy, where 1 + tanh u would cancel.
CK_VECTOR vfloat vgelu_tanh(vfloat x) {
  vfloat u = x * vfma(x * x, (vfloat)(-CK_2_SQRT_2_OVER_PI * CK_GELU_CUBIC), (vfloat)(-CK_2_SQRT_2_OVER_PI));
  return x / (1.0f + vexp(u));
}

// With s = 1 / (1 + e), e = exp(-2u): (x s)' = s + x s (1 - s) 2u' = s (1 + x 2u' e s).
// Beyond |x| = 10 the derivative is 0 or 1 to within 1e-37, and staying inside keeps e finite.
CK_VECTOR vfloat vgelu_tanh_derivative(vfloat x) {
  x = vmax((vfloat)(-10.0f), vmin((vfloat)(10.0f), x));
  vfloat square = x * x;
  vfloat u = x * vfma(square, (vfloat)(-CK_2_SQRT_2_OVER_PI * CK_GELU_CUBIC), (vfloat)(-CK_2_SQRT_2_OVER_PI));
  vfloat slope = vfma(square, (vfloat)(3 * CK_2_SQRT_2_OVER_PI * CK_GELU_CUBIC), (vfloat)(CK_2_SQRT_2_OVER_PI));
  vfloat e = vexp(u), s = 1.0f / (1.0f + e);
  return s * vfma(x * slope, e * s, (vfloat)(1.0f));
}

// The normal distribution function, from erfc on the negative side so that small values do not cancel.
CK_VECTOR vfloat vnormal_distribution(vfloat x) {
  vfloat a = x * 0.707106781186547524f, magnitude = vabs(a);
  vfloat tail = 0.5f * verf_tail(magnitude);
  vfloat near = vfma((vfloat)(0.5f), verf_near(a), (vfloat)(0.5f));
  return magnitude < 0.927734375f ? near : (x < 0.0f ? tail : 1.0f - tail);
}

CK_VECTOR vfloat vgelu_erf(vfloat x) { return x * vnormal_distribution(x); }

// Phi(x) + x phi(x), phi the normal density.
CK_VECTOR vfloat vgelu_erf_derivative(vfloat x) {
  vfloat density = 0.398942280401432678f * vexp(x * x * -0.5f);
  return vfma(x, density, vnormal_distribution(x));
}

CK_VECTOR vfloat vsilu(vfloat x) { return x / (1.0f + vexp(-x)); }
