// Bit masks in plain C, a byte of mask at a time.
#include "bitmask/kernels.h"
#include "runtime/worker.h"

#define CK_MASK_ROW(name, type)                                                                                        \
  static size_t name(const type *x, size_t columns, uint8_t *mask) {                                                   \
    size_t count = 0;                                                                                                  \
    for (size_t j = 0; j < columns; j += 8) {                                                                          \
      unsigned bits = 0;                                                                                               \
      for (size_t k = 0; k < ck_min(8, columns - j); k++) bits |= (unsigned)(x[j + k] != 0) << k;                      \
      mask[j / 8] = (uint8_t)bits;                                                                                     \
      count += (size_t)__builtin_popcount(bits);                                                                       \
    }                                                                                                                  \
    return count;                                                                                                      \
  }
#define CK_COMPRESS_ROW(name, type)                                                                                    \
  static void name(const type *x, const uint8_t *mask, size_t columns, type *values, size_t count) {                   \
    for (size_t j = 0; j < columns; j += 8)                                                                            \
      for (unsigned bits = mask[j / 8]; bits; bits &= bits - 1) *values++ = x[j + (size_t)__builtin_ctz(bits)];        \
  }
#define CK_EXPAND_ROW(name, type)                                                                                      \
  static void name(const type *values, size_t count, const uint8_t *mask, size_t columns, type *y) {                   \
    __builtin_memset(y, 0, columns * sizeof *y);                                                                       \
    for (size_t j = 0; j < columns; j += 8)                                                                            \
      for (unsigned bits = mask[j / 8]; bits; bits &= bits - 1) y[j + (size_t)__builtin_ctz(bits)] = *values++;        \
  }
CK_MASK_ROW(mask_f32, float)
CK_MASK_ROW(mask_s8, int8_t)
CK_COMPRESS_ROW(compress_f32, float)
CK_COMPRESS_ROW(compress_s8, int8_t)
CK_EXPAND_ROW(expand_f32, float)
CK_EXPAND_ROW(expand_s8, int8_t)

static void apply_f32(const uint8_t *mask, size_t columns, float *y) {
  for (size_t j = 0; j < columns; j++) y[j] = mask[j / 8] >> j % 8 & 1 ? y[j] : 0;
}

const ck_bitmask_kernels ck_bitmask_portable = {
    mask_f32, mask_s8, compress_f32, compress_s8, expand_f32, expand_s8, apply_f32,
};
