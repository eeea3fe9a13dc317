// Affine quantization (Jacob et al., 2018, equation 1): an integer q stands for the real number S (q - Z).
//
//   quantize        q = Z + round(clamp(x / S, low - Z, high - Z)), half to even; of a NaN Z
//   dequantize      y = S (q - Z)
//   fake quantize   both: y = S (q(x) - Z), and its straight-through gradient dx = dy where x is inside the range,
//                   low - Z <= x / S <= high - Z, else 0 (Bengio et al., 2013)
//
// Every step is one operation rounded to f32, so that the bits are equal on every instruction set. Rows are dense,
// row-major.
#ifndef CK_AFFINE_H
#define CK_AFFINE_H
#include "ck_matmul.h" // ck_type
typedef struct ck_affine {
  float scale; // positive and finite; of all rows, where there are no scales
  int32_t zero;
  const float *scales;  // of each row, or NULL
  const int32_t *zeros; // of each row, with scales
  int32_t low, high;    // -2^20 <= low <= zero <= high <= 2^20
} ck_affine;
// q is of `type`, CK_S8 or CK_U8, which must hold low and high (else CK_BAD_ARGUMENT).
ck_status ck_quantize_affine(const ck_context *context, ck_type type, size_t rows, size_t columns, const float *x,
                             ck_affine affine, void *q);
// q is of `type`, CK_S8, CK_U8 or CK_S32. low and high are not used.
ck_status ck_dequantize_affine(const ck_context *context, ck_type type, size_t rows, size_t columns, const void *q,
                               ck_affine affine, float *y);
// y may be x.
ck_status ck_fake_quantize(const ck_context *context, size_t rows, size_t columns, const float *x, ck_affine affine,
                           float *y);
// dx may be dy or x. `x` is the input of the forward pass.
ck_status ck_fake_quantize_backward(const ck_context *context, size_t rows, size_t columns, const float *dy,
                                    const float *x, ck_affine affine, float *dx);
const ck_variant *ck_affine_variants(size_t *count);
#endif
