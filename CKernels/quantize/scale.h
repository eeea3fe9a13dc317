// The scale of a row that is quantized symmetrically to 8 bits, for everything that does it.
#ifndef CK_QUANTIZE_SCALE_H
#define CK_QUANTIZE_SCALE_H
#include <stddef.h>
#include <stdint.h>

// From the bits of the greatest magnitude of the row. As integers, finite < infinity < NaN.
static inline float ck_quantization_scale(int32_t greatest_bits) {
  if (greatest_bits >= 0x7f800000) return __builtin_nanf("");
  float greatest;
  __builtin_memcpy(&greatest, &greatest_bits, sizeof greatest);
  const float scale = greatest / 127.0f;
  return scale < 0x1p-126f ? 1.0f : scale; // below, its inverse is not a float
}

// Of a row, without instructions of any set.
static inline float ck_quantization_row_scale(const float *row, size_t k) {
  int32_t greatest = 0;
  for (size_t i = 0; i < k; i++) {
    int32_t bits;
    __builtin_memcpy(&bits, row + i, sizeof bits);
    bits &= 0x7fffffff;
    greatest = bits > greatest ? bits : greatest;
  }
  return ck_quantization_scale(greatest);
}

// What elements are multiplied with. 0 for rows whose elements all become 0 because the scale is NaN.
static inline float ck_quantization_inverse(float scale) { return scale == scale ? 1.0f / scale : 0.0f; }

// Half to even, for |scaled| <= 127: the sum has a last place of 1 and leaves the integer in its low bits.
static inline int8_t ck_quantization_round(float scaled) {
  const float shifted = scaled + 12582912.0f;
  uint32_t bits;
  __builtin_memcpy(&bits, &shifted, sizeof bits);
  return (int8_t)bits;
}
#endif
