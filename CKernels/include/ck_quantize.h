// Symmetric 8-bit quantization of rows, and back.
//
//   scale[i] = max_j |x[i,j]| / 127      q[i,j] = round_half_even(x[i,j] * (1 / scale[i])), in -127 ... 127
//   y[i,j]   = q[i,j] * scale[i]
//
// Each operation is rounded to f32. A scale below 2^-126 (a row of zeros, or so small that the inverse may overflow)
// becomes 1, and q = 0. A row with a NaN or an infinity gets scale NaN and q = 0, so that whatever is computed from it
// is NaN and can be noticed. q and scale are equal on every instruction set, and are those of a matrix product that
// quantizes on the way (ck_matmul.h). Rows are dense, row-major.
#ifndef CK_QUANTIZE_H
#define CK_QUANTIZE_H
#include "ck_matmul.h" // ck_type

// x is of `type`: f32, or bf16, as if it were widened first.
ck_status ck_quantize_rows_s8(const ck_context *context, ck_type type, size_t rows, size_t columns, const void *x,
                              int8_t *q, float *scale);
ck_status ck_dequantize_rows_s8_f32(const ck_context *context, size_t rows, size_t columns, const int8_t *q,
                                    const float *scale, float *y);
// 4-bit weights to f32: y[n,k] = (q[n,k] - 8) * scale[n, k / group], rounded once. nibbles: [rows, columns / 2], q of
// an even k in the low half of a byte; scales: f16 [rows, columns / group]: the layout of s4 weights in ck_matmul.h.
// CK_BAD_SHAPE unless the group is a multiple of 32 and divides the columns.
ck_status ck_dequantize_groups_s4_f32(const ck_context *context, size_t rows, size_t columns, size_t group,
                                      const uint8_t *nibbles, const uint16_t *scales, float *y);
const ck_variant *ck_quantize_variants(size_t *count);
#endif
