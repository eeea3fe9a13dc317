// Activations at the width of the including body. Needs vector/math.inc.h first.
//
//   vgelu_tanh vgelu_tanh_derivative vgelu_erf vgelu_erf_derivative     ck_gelu.h has the formulas
//   vsilu                                                               x / (1 + exp(-x))
//   vlogistic                                                           1 / (1 + 2^t)
#ifndef CK_VECTOR_GELU_H
#define CK_VECTOR_GELU_H
#define vgelu_tanh CK_NAME(ck_vgelu_tanh)
#define vgelu_tanh_derivative CK_NAME(ck_vgelu_tanh_derivative)
#define vgelu_erf CK_NAME(ck_vgelu_erf)
#define vgelu_erf_derivative CK_NAME(ck_vgelu_erf_derivative)
#define vnormal_distribution CK_NAME(ck_vnormal_distribution)
#define vsilu CK_NAME(ck_vsilu)
#define vexp2 CK_NAME(ck_vexp2)
#define vexp2_short CK_NAME(ck_vexp2_short)
#define vlogistic CK_NAME(ck_vlogistic)
#define CK_2_SQRT_2_OVER_PI 1.59576912160573071f // of 2u at 0
#define CK_GELU_CUBIC 0.044715f
#define CK_LOG2_E 1.44269504088896341f
#define CK_GELU_SLOPE 2.30220819814432509f // of -t = 2u log2 e at 0
#endif

// 2^t for activations, which add 1 to it: what is below 2^-126 may stop there, and what is above 2^127.5 may be
// infinite. Three units of 2^-24, and t's own error. The polynomials are minimax fits of (2^r - 1) / r, weighted so
// that 2^r has the least relative error, 9e-8: on 0 <= r < 1, where the instructions want the whole part rounded down,
// and on |r| <= 1/2.
CK_VECTOR vfloat vexp2(vfloat t) {
#if CK_LANES == 16
  const float c[] = {1.8671301659196615e-3f, 9.017029777169228e-3f, 5.579991266131401e-2f, 2.4016444385051727e-1f,
                     6.931512951850891e-1f};
  vfloat r = (vfloat)_mm512_reduce_ps((__m512)t, _MM_FROUND_TO_NEG_INF); // 0 for infinities
#else
  const float c[] = {1.3264723820611835e-3f, 9.671512991189957e-3f, 5.550733581185341e-2f, 2.4022242426872253e-1f,
                     6.931470036506653e-1f};
  t = vmax((vfloat)(-126.0f), vmin((vfloat)(128.25f), t));
  vfloat shifted = t + CK_ROUNDER;
  vfloat r = t - (shifted - CK_ROUNDER);
#endif
  vfloat p = vfma((vfloat)(c[0]), r, (vfloat)(c[1]));
  p = vfma(p, r, (vfloat)(c[2]));
  p = vfma(p, r, (vfloat)(c[3]));
  p = vfma(p, r, (vfloat)(c[4]));
  p = vfma(p, r, (vfloat)(1.0f));
#if CK_LANES == 16
  return (vfloat)_mm512_scalef_ps((__m512)p, (__m512)t);
#else
  return p * (vfloat)(((vint)shifted << 23) + 0x3f800000); // the whole part of t is in the low bits; 2^128 is infinity
#endif
}

// 2^t to 8e-5, for results in bf16; AVX-512 only, elsewhere vexp2.
CK_VECTOR vfloat vexp2_short(vfloat t) {
#if CK_LANES == 16
  vfloat r = (vfloat)_mm512_reduce_ps((__m512)t, _MM_FROUND_TO_NEG_INF);
  vfloat p = vfma((vfloat)(0.07802451401948929f), r, (vfloat)(0.2260671705007553f));
  p = vfma(p, r, (vfloat)(0.6958335638046265f));
  p = vfma(p, r, (vfloat)(0.9999251961708069f));
  return (vfloat)_mm512_scalef_ps((__m512)p, (__m512)t);
#else
  return vexp2(t);
#endif
}

// s = 1 / (1 + e), e = 2^t, for t <= 126, so that both stay finite and e s is 1 - s without cancellation. `coarse` (a
// constant where this is inlined): 1.4e-4 will do, a thirtieth of the rounding to bf16. A division of 16 lanes takes
// ten cycles on Zen 4, an estimate and the step of Newton's method that makes it as exact four.
CK_VECTOR vfloat vlogistic(vfloat t, bool coarse, vfloat *e) {
  *e = coarse ? vexp2_short(t) : vexp2(t);
  vfloat d = 1.0f + *e;
#if CK_LANES == 16
  vfloat s = (vfloat)_mm512_rcp14_ps((__m512)d);
  return coarse ? s : vfma(s, vfma(-d, s, (vfloat)(1.0f)), s);
#else
  return 1.0f / d;
#endif
}

// x / (1 + exp(-2u)): the negative side keeps its relative accuracy, where 1 + tanh u would cancel. At -10 that is
// -1e-37, and stays there.
CK_VECTOR vfloat vgelu_tanh(vfloat x, bool coarse) {
  x = vmax((vfloat)(-10.0f), x);
  vfloat square = x * x, e;
  vfloat t = x * vfma(square, (vfloat)(-CK_GELU_SLOPE * CK_GELU_CUBIC), (vfloat)(-CK_GELU_SLOPE));
  return x * vlogistic(t, coarse, &e);
}

// With s = 1 / (1 + e), e = exp(-2u): (x s)' = s + x s (1 - s) 2u' = s (1 + x 2u' e s).
// Beyond |x| = 10 the derivative is 0 or 1 to within 1e-37, and staying inside keeps e finite.
CK_VECTOR vfloat vgelu_tanh_derivative(vfloat x, bool coarse) {
  x = vmax((vfloat)(-10.0f), vmin((vfloat)(10.0f), x));
  vfloat square = x * x;
  vfloat t = x * vfma(square, (vfloat)(-CK_GELU_SLOPE * CK_GELU_CUBIC), (vfloat)(-CK_GELU_SLOPE));
  vfloat slope = vfma(square, (vfloat)(3 * CK_2_SQRT_2_OVER_PI * CK_GELU_CUBIC), (vfloat)(CK_2_SQRT_2_OVER_PI));
  vfloat e, s = vlogistic(t, coarse, &e);
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

CK_VECTOR vfloat vsilu(vfloat x) { return x / (1.0f + vexp2(x * -CK_LOG2_E)); }
