// What 4-bit products on AVX2 and anywhere share: rows of A, one after the other into the panel's K-groups of 4 bytes.
// No instructions of any set are named.
#include "matmul/bf16_rows.inc.h"
#include "matmul/s4.h"
#include "quantize/scale.h"

// As ck_quantize_rows_f32_s8 does: 1 for a row of zeros, NaN for one that is not finite.
CK_INLINE float ck_s4_row_scale(const float *row, size_t k) {
  int32_t greatest = 0;
  for (size_t i = 0; i < k; i++) {
    int32_t bits;
    memcpy(&bits, row + i, sizeof bits);
    bits &= 0x7fffffff;
    greatest = bits > greatest ? bits : greatest;
  }
  return ck_quantization_scale(greatest);
}

// `steps` elements of one row, s8 or f32 that is quantized. Adding 1.5 * 2^23 rounds half to even and leaves the
// integer in the low bits.
CK_INLINE void ck_s8_row(int8_t *to, const char *at, size_t k_stride, ck_type type, float scale, size_t steps) {
  if (type != CK_F32)
    for (size_t s = 0; s < steps; s++) to[s] = (int8_t)at[s * k_stride];
  else {
    const float inverse = ck_quantization_inverse(scale);
    if (inverse == 0)
      memset(to, 0, steps);
    else
      for (size_t s = 0; s < steps; s++) {
        float value;
        memcpy(&value, at + s * sizeof value, sizeof value);
        value = value * inverse;
        value += 0x1.8p23f;
        int32_t bits;
        memcpy(&bits, &value, sizeof bits);
        to[s] = (int8_t)bits;
      }
  }
}

// s8 in K-groups of four, then -sum over each group of A, times 8 when the weights have no zero points of their own.
CK_INLINE void ck_s4_pack_a_s8(char *panel, int32_t *extra, const ck_matmul_source *source, size_t first, size_t rows,
                               size_t from, size_t depth, const ck_type type, const size_t group, const bool zeros) {
  for (size_t i = 0; i < rows; i++)
    for (size_t k = 0; k < depth; k += group) {
      int8_t strip[128];
      const char *at = source->data + (first + i) * source->stride + (from + k) * source->k_stride;
      ck_s8_row(strip, at, source->k_stride, type, type == CK_F32 ? source->scales[i] : 0, group);
      int32_t sum = 0;
      for (size_t s = 0; s < group; s++) sum += strip[s];
      for (size_t g = 0; g < group / 4; g++) memcpy(panel + ((k / 4 + g) * rows + i) * 4, strip + 4 * g, 4);
      extra[k / group * rows + i] = zeros ? -sum : -8 * sum;
    }
}

// bf16's values as f32, in K-groups of one.
CK_INLINE void ck_s4_pack_a_bf16(float *panel, const ck_matmul_source *source, size_t first, size_t rows, size_t from,
                                 size_t depth, const ck_type type) {
  enum { STRIP = 128 };
  for (size_t i = 0; i < rows; i++)
    for (size_t k = 0; k < depth; k += STRIP) {
      float strip[STRIP];
      const size_t steps = ck_min(STRIP, depth - k);
      const char *at = source->data + (first + i) * source->stride + (from + k) * source->k_stride;
      ck_bf16_row_f32(strip, at, source->k_stride, type, steps);
      for (size_t s = 0; s < steps; s++) panel[(k + s) * rows + i] = strip[s];
    }
}
