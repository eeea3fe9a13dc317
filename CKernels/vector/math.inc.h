// Vector mathematics at the width of the including body (runtime/each_width.inc.h). Include it once, first, in a body.
//
//   vfloat, vint, vuint     CK_LANES lanes of 32 bits; arithmetic with scalars broadcasts, comparisons give a vint mask
//   vload vstore            CK_LANES elements, any alignment
//   vload_part vstore_part  the first n elements, 0 <= n <= CK_LANES; missing lanes load as a given value, and nothing
//                           outside the n elements is touched
//   vfma vmin vmax vabs vselect vsum vhighest
//   vexp vlog vtanh verf vsigmoid vsincos vsincos_turns
//
// Errors, in units in the last place, over all finite inputs (Tests/AlambicKernelsTests/VectorMathTests.swift):
//   vexp 1.5, vlog 1.5, vtanh 2, verf 2, vsigmoid 3 (or 3e-39 absolute, where exp(-x) overflows); vsincos and
//   vsincos_turns 1.5e-7 absolute.
// Infinities, NaN and denormals are treated as the C library does. The portable width multiplies and adds in two
// roundings where the machine has no fused instruction; range reductions are written so that this is harmless.
//
// Polynomials of exp, log, sin, cos and tanh: Moshier, Cephes Mathematical Library (single precision), 1989.

typedef float CK_NAME(ck_vfloat) __attribute__((ext_vector_type(CK_LANES)));
typedef int32_t CK_NAME(ck_vint) __attribute__((ext_vector_type(CK_LANES)));
typedef uint32_t CK_NAME(ck_vuint) __attribute__((ext_vector_type(CK_LANES)));
enum { CK_NAME(ck_width_needs) = CK_NEEDS }; // for tables of variants, vector/widths.h

#ifndef CK_VECTOR_MATH_H
#define CK_VECTOR_MATH_H
#define CK_VECTOR static inline __attribute__((always_inline, unused))
#define vfloat CK_NAME(ck_vfloat)
#define vint CK_NAME(ck_vint)
#define vuint CK_NAME(ck_vuint)
#define vload CK_NAME(ck_vload)
#define vstore CK_NAME(ck_vstore)
#define vload_part CK_NAME(ck_vload_part)
#define vstore_part CK_NAME(ck_vstore_part)
#define viota CK_NAME(ck_viota)
#define vfma CK_NAME(ck_vfma)
#define vmin CK_NAME(ck_vmin)
#define vmax CK_NAME(ck_vmax)
#define vabs CK_NAME(ck_vabs)
#define vcopysign CK_NAME(ck_vcopysign)
#define vselect CK_NAME(ck_vselect)
#define vsum CK_NAME(ck_vsum)
#define vhighest CK_NAME(ck_vhighest)
#define vpower2 CK_NAME(ck_vpower2)
#define vexp CK_NAME(ck_vexp)
#define vlog CK_NAME(ck_vlog)
#define vlog_normal CK_NAME(ck_vlog_normal)
#define vtanh CK_NAME(ck_vtanh)
#define vsigmoid CK_NAME(ck_vsigmoid)
#define verf CK_NAME(ck_verf)
#define verf_tail CK_NAME(ck_verf_tail)
#define verf_near CK_NAME(ck_verf_near)
#define vsincos_octant CK_NAME(ck_vsincos_octant)
#define vsincos CK_NAME(ck_vsincos)
#define vsincos_turns CK_NAME(ck_vsincos_turns)
#endif

CK_VECTOR vfloat vload(const float *p) {
  vfloat v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}

CK_VECTOR void vstore(float *p, vfloat v) { __builtin_memcpy(p, &v, sizeof v); }

// 0, 1, 2, ...
CK_VECTOR vint viota(void) {
#if CK_LANES == 16
  return (vint){0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
#elif CK_LANES == 8
  return (vint){0, 1, 2, 3, 4, 5, 6, 7};
#else
  return (vint){0, 1, 2, 3};
#endif
}

// mask ? a : b, lane by lane.
CK_VECTOR vfloat vselect(vint mask, vfloat a, vfloat b) { return mask ? a : b; }

CK_VECTOR vfloat vload_part(const float *p, size_t n, float missing) {
#if CK_LANES == 16
  return (vfloat)_mm512_mask_loadu_ps((__m512)(vfloat)(missing), (__mmask16)((1u << n) - 1), p);
#elif CK_LANES == 8
  vint mask = viota() < (int32_t)n;
  return mask ? (vfloat)_mm256_maskload_ps(p, (__m256i)mask) : (vfloat)(missing);
#else
  vfloat v = missing;
  if (n > 0) v[0] = p[0];
  if (n > 1) v[1] = p[1];
  if (n > 2) v[2] = p[2];
  if (n > 3) v[3] = p[3];
  return v;
#endif
}

CK_VECTOR void vstore_part(float *p, size_t n, vfloat v) {
#if CK_LANES == 16
  _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), (__m512)v);
#elif CK_LANES == 8
  _mm256_maskstore_ps(p, (__m256i)(viota() < (int32_t)n), (__m256)v);
#else
  if (n > 0) p[0] = v[0];
  if (n > 1) p[1] = v[1];
  if (n > 2) p[2] = v[2];
  if (n > 3) p[3] = v[3];
#endif
}

// a * b + c, in one rounding where the machine can.
CK_VECTOR vfloat vfma(vfloat a, vfloat b, vfloat c) {
#if CK_LANES > 4 || defined(__aarch64__)
  return __builtin_elementwise_fma(a, b, c);
#else
  return a * b + c;
#endif
}

// The second operand where either is NaN.
CK_VECTOR vfloat vmin(vfloat a, vfloat b) { return a < b ? a : b; }
CK_VECTOR vfloat vmax(vfloat a, vfloat b) { return a > b ? a : b; }
CK_VECTOR vfloat vabs(vfloat a) { return (vfloat)((vint)a & 0x7fffffff); }
CK_VECTOR vfloat vcopysign(vfloat magnitude, vfloat sign) {
  return (vfloat)(((vint)magnitude & 0x7fffffff) | ((vint)sign & (int32_t)0x80000000));
}

// Sum of the lanes as a tree: lane i with lane i + half, and so on.
CK_VECTOR float vsum(vfloat v) {
#if CK_LANES == 16
  v += __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7);
  v += __builtin_shufflevector(v, v, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3);
#elif CK_LANES == 8
  v += __builtin_shufflevector(v, v, 4, 5, 6, 7, 0, 1, 2, 3);
#endif
  return (v[0] + v[2]) + (v[1] + v[3]);
}

// Greatest lane; lanes that are NaN may or may not count.
CK_VECTOR float vhighest(vfloat v) {
#if CK_LANES == 16
  v = vmax(v, __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7));
  v = vmax(v, __builtin_shufflevector(v, v, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3));
#elif CK_LANES == 8
  v = vmax(v, __builtin_shufflevector(v, v, 4, 5, 6, 7, 0, 1, 2, 3));
#endif
  float a = v[0] > v[2] ? v[0] : v[2], b = v[1] > v[3] ? v[1] : v[3];
  return a > b ? a : b;
}

// v * 2^n for whole n in -252 ... 254, gradual underflow included.
CK_VECTOR vfloat vpower2(vfloat v, vfloat n) {
#if CK_LANES == 16
  return (vfloat)_mm512_scalef_ps((__m512)v, (__m512)n);
#else
  // In two factors, since 2^n alone may be outside the normal range.
  vint whole = __builtin_convertvector(n, vint);
  vint half = whole >> 1;
  return v * (vfloat)((half + 127) << 23) * (vfloat)((whole - half + 127) << 23);
#endif
}

// Adding this rounds a small number to the nearest whole one, ties to even.
#define CK_ROUNDER 12582912.0f

// exp(x) = 2^n exp(r), n = round(x / ln 2), |r| <= ln 2 / 2.
CK_VECTOR vfloat vexp(vfloat x) {
  x = vmax((vfloat)(-104.0f), vmin((vfloat)(89.0f), x)); // below 0 and above infinity; NaN stays
  vfloat n = vfma(x, (vfloat)(1.44269504088896341f), (vfloat)(CK_ROUNDER)) - CK_ROUNDER;
  vfloat r = vfma(n, (vfloat)(-0.693359375f), x); // exact: the constant has 9 bits
  r = vfma(n, (vfloat)(2.12194440e-4f), r);
  vfloat p = vfma((vfloat)(1.9875691500e-4f), r, (vfloat)(1.3981999507e-3f));
  p = vfma(p, r, (vfloat)(8.3334519073e-3f));
  p = vfma(p, r, (vfloat)(4.1665795894e-2f));
  p = vfma(p, r, (vfloat)(1.6666665459e-1f));
  p = vfma(p, r, (vfloat)(5.0000001201e-1f));
  p = vfma(p, r * r, r) + 1.0f;
  return vpower2(p, n);
}

// log(x) = e ln 2 + log(m), m in [sqrt(1/2), sqrt(2)).
// Of x 2^-down, for positive, normal x.
CK_VECTOR vfloat vlog_normal(vfloat x, vint down) {
  vint bits = (vint)x;
  vint exponent = (bits - 0x3f3504f3) >> 23;
  vfloat m = (vfloat)(bits - (exponent << 23)) - 1.0f;
  vfloat e = __builtin_convertvector(exponent - down, vfloat);
  vfloat z = m * m;
  vfloat p = vfma((vfloat)(7.0376836292e-2f), m, (vfloat)(-1.1514610310e-1f));
  p = vfma(p, m, (vfloat)(1.1676998740e-1f));
  p = vfma(p, m, (vfloat)(-1.2420140846e-1f));
  p = vfma(p, m, (vfloat)(1.4249322787e-1f));
  p = vfma(p, m, (vfloat)(-1.6668057665e-1f));
  p = vfma(p, m, (vfloat)(2.0000714765e-1f));
  p = vfma(p, m, (vfloat)(-2.4999993993e-1f));
  p = vfma(p, m, (vfloat)(3.3333331174e-1f));
  vfloat y = vfma(p * m, z, e * -2.12194440e-4f);
  y = vfma(z, (vfloat)(-0.5f), y);
  return vfma(e, (vfloat)(0.693359375f), m + y);
}

CK_VECTOR vfloat vlog(vfloat x) {
  vint tiny = x < 1.17549435e-38f;
  vfloat y = vlog_normal(tiny ? x * 8388608.0f : x, tiny & 23);
  y = x > 3.40282347e+38f ? x : y;                     // infinity
  y = x == 0.0f ? (vfloat)(-__builtin_inff()) : y;     // either zero
  return x >= 0.0f ? y : (vfloat)(__builtin_nanf("")); // negative or NaN
}

// 1 / (1 + exp(-x)).
CK_VECTOR vfloat vsigmoid(vfloat x) { return 1.0f / (1.0f + vexp(-x)); }

// Near zero an odd polynomial, farther 1 - 2 / (exp(2|x|) + 1).
CK_VECTOR vfloat vtanh(vfloat x) {
  vfloat a = vabs(x), z = x * x;
  vfloat p = vfma((vfloat)(-5.70498872745e-3f), z, (vfloat)(2.06390887954e-2f));
  p = vfma(p, z, (vfloat)(-5.37397155531e-2f));
  p = vfma(p, z, (vfloat)(1.33314422036e-1f));
  p = vfma(p, z, (vfloat)(-3.33332819422e-1f));
  p = vfma(p * z, x, x);
  vfloat far = 1.0f - 2.0f / (vexp(a + a) + 1.0f);
  return vcopysign(a < 0.625f ? p : far, x); // NaN takes the second way and stays NaN
}

// erf for |x| <= 0.9277: x + x times a polynomial of x^2.
CK_VECTOR vfloat verf_near(vfloat x) {
  vfloat s = x * x;
  vfloat p = vfma((vfloat)(-5.96761703e-4f), s, (vfloat)(4.99119423e-3f));
  p = vfma(p, s, (vfloat)(-2.67681349e-2f));
  p = vfma(p, s, (vfloat)(1.12819925e-1f));
  p = vfma(p, s, (vfloat)(-3.76125336e-1f));
  p = vfma(p, s, (vfloat)(1.28379166e-1f));
  return vfma(p, x, x);
}

// erfc(t) = exp(polynomial of t) for t > 0.9277; absolute error below 1e-7.
CK_VECTOR vfloat verf_tail(vfloat t) {
  t = vmin((vfloat)(5.0f), t); // the polynomial turns back up far out; erfc(5) is 1.5e-12
  vfloat s = t * t;
  vfloat p = vfma((vfloat)(-1.72853470e-5f), t, (vfloat)(3.83197126e-4f));
  p = vfma(p, s, vfma((vfloat)(-3.88396438e-3f), t, (vfloat)(2.42546219e-2f)));
  p = vfma(p, t, (vfloat)(-1.06777877e-1f));
  p = vfma(p, t, (vfloat)(-6.34846687e-1f));
  p = vfma(p, t, (vfloat)(-1.28717512e-1f));
  return vexp(vfma(p, t, -t));
}

CK_VECTOR vfloat verf(vfloat x) {
  vfloat a = vabs(x);
  return a < 0.927734375f ? verf_near(x) : vcopysign(1.0f - verf_tail(a), x);
}

// sine and cosine of r + quadrant * pi / 2, |r| <= pi / 4.
CK_VECTOR void vsincos_octant(vfloat r, vint quadrant, vfloat *sine, vfloat *cosine) {
  vfloat z = r * r;
  vfloat s = vfma((vfloat)(-1.9515295891e-4f), z, (vfloat)(8.3321608736e-3f));
  s = vfma(s, z, (vfloat)(-1.6666654611e-1f));
  s = vfma(s * z, r, r);
  vfloat c = vfma((vfloat)(2.443315711809948e-5f), z, (vfloat)(-1.388731625493765e-3f));
  c = vfma(c, z, (vfloat)(4.166664568298827e-2f));
  c = vfma(c * z, z, vfma(z, (vfloat)(-0.5f), (vfloat)(1.0f)));
  vint swap = (quadrant & 1) != 0;
  vfloat a = swap ? c : s, b = swap ? s : c;
  *sine = (vfloat)((vint)a ^ ((quadrant & 2) << 30));
  *cosine = (vfloat)((vint)b ^ (((quadrant + 1) & 2) << 30));
}

// sin x and cos x for |x| <= 8192; no meaning beyond (NaN for infinities and NaN).
CK_VECTOR void vsincos(vfloat x, vfloat *sine, vfloat *cosine) {
  vfloat shifted = vfma(x, (vfloat)(0.636619772367581343f), (vfloat)(CK_ROUNDER));
  vfloat n = shifted - CK_ROUNDER;
  vfloat r = vfma(n, (vfloat)(-1.5703125f), x); // pi / 2 in three parts, the first two short enough to be exact
  r = vfma(n, (vfloat)(-4.837512969970703125e-4f), r);
  r = vfma(n, (vfloat)(-7.549789948768648e-8f), r);
  vsincos_octant(r, (vint)shifted, sine, cosine);
}

// sin 2 pi u and cos 2 pi u for |u| <= 2^20. The reduction is exact, so this is what random normals want.
CK_VECTOR void vsincos_turns(vfloat u, vfloat *sine, vfloat *cosine) {
  vfloat shifted = u * 4.0f + CK_ROUNDER;
  vfloat r = (u * 4.0f - (shifted - CK_ROUNDER)) * 1.57079632679489662f;
  vsincos_octant(r, (vint)shifted, sine, cosine);
}
