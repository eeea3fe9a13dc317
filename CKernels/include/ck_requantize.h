// From the exact 32-bit sums of an integer product to the integers that the next layer reads, without a float (Jacob et
// al., 2018, sections 2.2 to 2.4).
//
//   v = sums[i,j] - row_sums[i] * column_zeros[j] + bias[j]                      modulo 2^32
//   y[i,j] = clamp(zero + M[j] v),  M[j] = multipliers[j] 2^-31 2^-shifts[j]
//
// bias holds what does not depend on the row as well: the zero points' other terms of the paper's equation 7. A real
// multiplier M is M0 2^-n with M0 in [0.5, 1) (equation 6). M v is computed as gemmlowp defines it:
//   n < 0:  v <- v 2^-n, saturated
//   v <- the high 32 bits of 2 v multiplier, rounded to nearest, ties up                             (SQRDMULH)
//   n > 0:  v <- v 2^-n, rounded to nearest, ties away from zero
// The sum with zero saturates. Integers alone: equal bits on every instruction set.
#ifndef CK_REQUANTIZE_H
#define CK_REQUANTIZE_H
#include "ck_runtime.h"
typedef struct ck_requantization {
  const int32_t *row_sums;     // [rows], or NULL where all column_zeros are 0
  const int32_t *column_zeros; // [columns], with row_sums
  const int32_t *bias;         // [columns]
  const int32_t *multipliers;  // [columns], 0 ... 2^31 - 1
  const int32_t *shifts;       // [columns], -30 ... 31
  int32_t zero;                // of y, 0 ... 255
  int32_t low, high;           // where y is clamped, 0 <= low <= high <= 255; not used by s32
} ck_requantization;
ck_status ck_requantize_u8(const ck_context *context, size_t rows, size_t columns, const int32_t *sums,
                           ck_requantization how, uint8_t *y);
// Not clamped, and `zero` is 0: logits. y may be sums.
ck_status ck_requantize_s32(const ck_context *context, size_t rows, size_t columns, const int32_t *sums,
                            ck_requantization how, int32_t *y);
// sums[i] = sum over j of x[i,j], modulo 2^32
ck_status ck_row_sums_u8(const ck_context *context, size_t rows, size_t columns, const uint8_t *x, int32_t *sums);
const ck_variant *ck_requantize_variants(size_t *count);
#endif
