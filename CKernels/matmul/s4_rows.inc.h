// Rows of A in s8 as 4-bit products on AVX2 and in plain C pack them. No instructions of any set are named.
#include "matmul/s4.h"
#include "quantize/scale.h"

// `steps` elements of one row, s8 or f32 that is quantized.
CK_INLINE void ck_s8_row(int8_t *to, const char *at, size_t k_stride, ck_type type, float scale, size_t steps) {
  const float inverse = ck_quantization_inverse(scale);
  if (type != CK_F32)
    for (size_t s = 0; s < steps; s++) to[s] = (int8_t)at[s * k_stride];
  else if (inverse == 0) // not finite, and 0 * infinity is not 0
    memset(to, 0, steps);
  else
    for (size_t s = 0; s < steps; s++) {
      float value;
      memcpy(&value, at + s * sizeof value, sizeof value);
      const float scaled = value * inverse;
      to[s] = ck_quantization_round(scaled);
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
