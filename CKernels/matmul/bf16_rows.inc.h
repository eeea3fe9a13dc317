// Pieces of rows of A as bf16, for packing; no instructions of any set are named.
#include "matmul/types.h"
#include <string.h>

// Nearest, ties to even; a NaN keeps its sign and upper bits and becomes quiet.
CK_INLINE uint16_t ck_bf16_nearest(uint32_t bits) {
  const uint32_t rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16, quiet = bits >> 16 | 0x40;
  return (uint16_t)((bits & 0x7fffffff) > 0x7f800000 ? quiet : rounded);
}

// `steps` elements of one row, k_stride bytes apart, of bf16 or f32.
CK_INLINE void ck_bf16_row(uint16_t *to, const char *at, size_t k_stride, ck_type type, size_t steps) {
  uint32_t bits;
  if (type == CK_BF16 && k_stride == 2)
    memcpy(to, at, steps * 2);
  else if (type == CK_BF16)
    for (size_t s = 0; s < steps; s++) memcpy(to + s, at + s * k_stride, 2);
  else if (k_stride == 4)
    for (size_t s = 0; s < steps; s++) {
      memcpy(&bits, at + s * 4, sizeof bits);
      to[s] = ck_bf16_nearest(bits);
    }
  else
    for (size_t s = 0; s < steps; s++) {
      memcpy(&bits, at + s * k_stride, sizeof bits);
      to[s] = ck_bf16_nearest(bits);
    }
}

// The same as f32 with bf16's precision.
CK_INLINE void ck_bf16_row_f32(float *to, const char *at, size_t k_stride, ck_type type, size_t steps) {
  enum { PIECE = 64 };
  uint16_t piece[PIECE];
  for (size_t s = 0; s < steps; s += PIECE, at += PIECE * k_stride) {
    const size_t count = ck_min(PIECE, steps - s);
    ck_bf16_row(piece, at, k_stride, type, count);
    for (size_t i = 0; i < count; i++) {
      const uint32_t bits = (uint32_t)piece[i] << 16;
      memcpy(to + s + i, &bits, sizeof bits);
    }
  }
}
