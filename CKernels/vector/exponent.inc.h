// The exponential of a softmax, whose arguments are differences from the greatest: half the multiplications of vexp.
// Needs vector/math.inc.h first.
#ifndef CK_VECTOR_EXPONENT_H
#define CK_VECTOR_EXPONENT_H
#define vexp_below CK_NAME(ck_vexp_below)
#define vexp2_below CK_NAME(ck_vexp2_below)
#define CK_LOG2_E 1.44269504088896341f
#endif

// 2^x for x <= 0 (a little above, too), and NaN for NaN, within 3 units of 2^-24. 2^0 is 1; minus infinity gives 0,
// underflow is gradual. 2^x = 2^n 2^f with a whole number n; the polynomial is the minimax one among those that are 1
// at 0 (and, where f reaches it, 2 at 1).
CK_VECTOR vfloat vexp2_below(vfloat x) {
#if CK_LANES == 16
  // Whole parts downwards: 0 <= f <= 1. They are taken off by one instruction and put on by another, for which an
  // infinity is no special case. Additions would queue for the ports that these need.
  const vfloat f = (vfloat)_mm512_reduce_ps((__m512)x, _MM_FROUND_TO_NEG_INF);
  vfloat p = vfma((vfloat)(1.8792747287079692e-3f), f, (vfloat)(8.990972302854061e-3f));
  p = vfma(p, f, (vfloat)(5.5818695574998856e-2f));
  p = vfma(p, f, (vfloat)(0.24015934765338898f));
  p = vfma(p, f, (vfloat)(0.6931517124176025f));
  return (vfloat)_mm512_scalef_ps((__m512)vfma(p, f, (vfloat)(1.0f)), (__m512)x);
#else
  // To the nearest: |f| <= 1/2.
  x = vmax((vfloat)(-151.0f), x); // below 0; NaN stays
  vfloat n = x + CK_ROUNDER;
  n -= CK_ROUNDER;
  vfloat f = x - n;
  vfloat p = vfma((vfloat)(1.326472614891827e-3f), f, (vfloat)(9.671512991189957e-3f));
  p = vfma(p, f, (vfloat)(5.550733581185341e-2f));
  p = vfma(p, f, (vfloat)(0.24022242426872253f));
  p = vfma(p, f, (vfloat)(0.6931470036506653f));
  return vpower2(vfma(p, f, (vfloat)(1.0f)), n);
#endif
}

// exp(x), likewise. The relative error is at most (3 + 2.5 |x|) 2^-24: that of 2^x, and of x log2(e), rounded once.
CK_VECTOR vfloat vexp_below(vfloat x) { return vexp2_below(x * CK_LOG2_E); }
