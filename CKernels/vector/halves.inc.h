// 16-bit floats in memory, f32 in registers, at the width of the including body. Needs vector/math.inc.h first.
//
//   CK_NAME(ck_load_bf16)  CK_NAME(ck_load_bf16_part)    CK_LANES elements, or the first n, 0 <= n <= CK_LANES: missing
//   CK_NAME(ck_load_f16)   CK_NAME(ck_load_f16_part)     lanes load as 0, and nothing outside the n elements is touched
//   CK_NAME(ck_store_bf16) CK_NAME(ck_store_bf16_part)
//   CK_NAME(ck_store_f16)  CK_NAME(ck_store_f16_part)
//   vwiden_bf16 vnarrow_bf16 vwiden_f16 vnarrow_f16      between registers
//   widen_bf16 narrow_bf16 widen_f16 narrow_f16          one element
//
// The contract, equal bit for bit at every width:
//   Widening is exact. A NaN keeps its sign and payload; a signalling f16 becomes quiet (vcvtph2ps does so), a bf16
//   keeps all of its bits. Narrowing rounds to nearest, ties to even, with gradual underflow: denormals are neither
//   flushed on the way in nor on the way out. What rounds beyond the largest finite number becomes infinity. A NaN
//   keeps its sign and the upper bits of its payload, and becomes quiet.
// This is why bf16 is rounded with integers: vcvtneps2bf16 takes denormals for zero.

typedef uint16_t CK_NAME(ck_vhalf) __attribute__((ext_vector_type(CK_LANES)));

#ifndef CK_VECTOR_HALVES_H
#define CK_VECTOR_HALVES_H
#define vhalf CK_NAME(ck_vhalf)
#define vload_half CK_NAME(ck_vload_half)
#define vload_half_part CK_NAME(ck_vload_half_part)
#define vstore_half CK_NAME(ck_vstore_half)
#define vstore_half_part CK_NAME(ck_vstore_half_part)
#define vwiden_bf16 CK_NAME(ck_vwiden_bf16)
#define vnarrow_bf16 CK_NAME(ck_vnarrow_bf16)
#define vwiden_f16 CK_NAME(ck_vwiden_f16)
#define vnarrow_f16 CK_NAME(ck_vnarrow_f16)
#define widen_bf16 CK_NAME(ck_widen_bf16)
#define narrow_bf16 CK_NAME(ck_narrow_bf16)
#define widen_f16 CK_NAME(ck_widen_f16)
#define narrow_f16 CK_NAME(ck_narrow_f16)
#endif

CK_VECTOR vhalf vload_half(const uint16_t *p) {
  vhalf v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}

CK_VECTOR void vstore_half(uint16_t *p, vhalf v) { __builtin_memcpy(p, &v, sizeof v); }

CK_VECTOR vhalf vload_half_part(const uint16_t *p, size_t n) {
#if CK_LANES == 16
  return (vhalf)_mm256_maskz_loadu_epi16((__mmask16)((1u << n) - 1), p);
#else
  // There is no masked load of 16-bit elements: pieces of 4, 2 and 1.
  if (n == CK_LANES) return vload_half(p);
  uint16_t all[CK_LANES] = {0}, *to = all;
  if (CK_LANES > 4 && (n & 4)) __builtin_memcpy(to, p, 8), to += 4, p += 4;
  if (n & 2) __builtin_memcpy(to, p, 4), to += 2, p += 2;
  if (n & 1) *to = *p;
  return vload_half(all);
#endif
}

CK_VECTOR void vstore_half_part(uint16_t *p, size_t n, vhalf v) {
#if CK_LANES == 16
  _mm256_mask_storeu_epi16(p, (__mmask16)((1u << n) - 1), (__m256i)v);
#else
  uint16_t all[CK_LANES];
  const uint16_t *from = all;
  vstore_half(all, v);
  if (n == CK_LANES) {
    vstore_half(p, v);
    return;
  }
  if (CK_LANES > 4 && (n & 4)) __builtin_memcpy(p, from, 8), from += 4, p += 4;
  if (n & 2) __builtin_memcpy(p, from, 4), from += 2, p += 2;
  if (n & 1) *p = *from;
#endif
}

CK_VECTOR vfloat vwiden_bf16(vhalf h) { return (vfloat)(__builtin_convertvector(h, vuint) << 16); }

// Adding just under half a unit, or half a unit where the last bit kept is 1, carries into the bits kept when it
// should, and from the largest finite number into infinity.
CK_VECTOR vhalf vnarrow_bf16(vfloat v) {
  vuint bits = (vuint)v;
  vuint rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
  vuint quiet = bits >> 16 | 0x40;
  return __builtin_convertvector(v != v ? quiet : rounded, vhalf);
}

CK_VECTOR vfloat vwiden_f16(vhalf h) {
#if CK_LANES == 16
  return (vfloat)_mm512_cvtph_ps((__m256i)h);
#elif CK_LANES == 8
  return (vfloat)_mm256_cvtph_ps((__m128i)h);
#else
  vuint bits = __builtin_convertvector(h, vuint);
  vuint magnitude = bits & 0x7fff, sign = (bits & 0x8000) << 16;
  vuint normal = (magnitude << 13) + ((127 - 15) << 23);
  vuint special = magnitude << 13 | 0x7f800000; // infinity and NaN
  special |= magnitude > 0x7c00 ? (vuint)(1u << 22) : (vuint)(0u);
  // Whole numbers of units of 2^-24; a conversion of integers, so that no denormal is ever an operand.
  vuint denormal = (vuint)(__builtin_convertvector((vint)magnitude, vfloat) * 0x1p-24f);
  vuint finite = magnitude < 0x0400 ? denormal : normal;
  return (vfloat)((magnitude >= 0x7c00 ? special : finite) | sign);
#endif
}

CK_VECTOR vhalf vnarrow_f16(vfloat v) {
#if CK_LANES == 16
  return (vhalf)_mm512_cvtps_ph((__m512)v, _MM_FROUND_TO_NEAREST_INT);
#elif CK_LANES == 8
  return (vhalf)_mm256_cvtps_ph((__m256)v, _MM_FROUND_TO_NEAREST_INT);
#else
  vuint bits = (vuint)v, magnitude = bits & 0x7fffffff, sign = bits >> 16 & 0x8000;
  // As for bf16, with 13 bits dropped and the exponent's bias changed: 65520 and above carry into infinity.
  vuint normal = (magnitude - ((127 - 15) << 23) + 0xfff + (magnitude >> 13 & 1)) >> 13;
  // Below 2^-14 the unit is 2^-24, that of a float at 1/2: adding 1/2 rounds there.
  vuint denormal = (vuint)((vfloat)magnitude + 0.5f) - 0x3f000000;
  vuint nan = 0x7e00 | (magnitude >> 13 & 0x3ff);
  vuint half = magnitude < 0x38800000 ? denormal : normal;
  half = magnitude >= 0x47800000 ? (vuint)(0x7c00) : half; // 2^16 and above
  half = magnitude > 0x7f800000 ? nan : half;
  return __builtin_convertvector(half | sign, vhalf);
#endif
}

CK_VECTOR vfloat CK_NAME(ck_load_bf16)(const uint16_t *p) { return vwiden_bf16(vload_half(p)); }
CK_VECTOR vfloat CK_NAME(ck_load_f16)(const uint16_t *p) { return vwiden_f16(vload_half(p)); }
CK_VECTOR void CK_NAME(ck_store_bf16)(uint16_t *p, vfloat v) { vstore_half(p, vnarrow_bf16(v)); }
CK_VECTOR void CK_NAME(ck_store_f16)(uint16_t *p, vfloat v) { vstore_half(p, vnarrow_f16(v)); }

CK_VECTOR vfloat CK_NAME(ck_load_bf16_part)(const uint16_t *p, size_t n) { return vwiden_bf16(vload_half_part(p, n)); }
CK_VECTOR vfloat CK_NAME(ck_load_f16_part)(const uint16_t *p, size_t n) { return vwiden_f16(vload_half_part(p, n)); }
CK_VECTOR void CK_NAME(ck_store_bf16_part)(uint16_t *p, size_t n, vfloat v) { vstore_half_part(p, n, vnarrow_bf16(v)); }
CK_VECTOR void CK_NAME(ck_store_f16_part)(uint16_t *p, size_t n, vfloat v) { vstore_half_part(p, n, vnarrow_f16(v)); }

CK_VECTOR float widen_bf16(uint16_t h) { return vwiden_bf16((vhalf)(h))[0]; }
CK_VECTOR float widen_f16(uint16_t h) { return vwiden_f16((vhalf)(h))[0]; }
CK_VECTOR uint16_t narrow_bf16(float x) { return vnarrow_bf16((vfloat)(x))[0]; }
CK_VECTOR uint16_t narrow_f16(float x) { return vnarrow_f16((vfloat)(x))[0]; }
