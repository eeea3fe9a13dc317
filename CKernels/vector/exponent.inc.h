// The exponential of a softmax, whose arguments are differences from the greatest: half the multiplications of vexp.
// Needs vector/math.inc.h first.
#ifndef CK_VECTOR_EXPONENT_H
#define CK_VECTOR_EXPONENT_H
#define vexp_below CK_NAME(ck_vexp_below)
#endif

// exp(x) for x <= 0, and NaN for NaN. exp(0) is 1; minus infinity gives 0, underflow is gradual. The relative error is
// at most (3 + 2.5 |x|) 2^-24: that of the polynomial and of x log2(e), rounded once. exp(x) = 2^n 2^f, n = round(x
// log2(e)), |f| <= 1/2; the polynomial is the minimax one among those that are 1 at 0.
CK_VECTOR vfloat vexp_below(vfloat x) {
  vfloat t = vmax((vfloat)(-104.0f), x) * 1.44269504088896341f; // below 0; NaN stays
  vfloat n = t + CK_ROUNDER;
  n -= CK_ROUNDER;
  vfloat f = t - n;
  vfloat p = vfma((vfloat)(1.326472614891827e-3f), f, (vfloat)(9.671512991189957e-3f));
  p = vfma(p, f, (vfloat)(5.550733581185341e-2f));
  p = vfma(p, f, (vfloat)(0.24022242426872253f));
  p = vfma(p, f, (vfloat)(0.6931470036506653f));
  return vpower2(vfma(p, f, (vfloat)(1.0f)), n);
}
