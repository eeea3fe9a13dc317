// Gaussian error linear unit: y = x Phi(x), Phi the normal distribution function (Hendrycks and Gimpel, 2016).
//   CK_GELU_ERF   Phi(x) = (1 + erf(x / sqrt 2)) / 2
//   CK_GELU_TANH  Phi(x) ~ (1 + tanh u) / 2 = 1 / (1 + exp(-2u)), u = sqrt(2 / pi) (x + 0.044715 x^3): GPT-2's
// All vectors are of one type, CK_F32 or CK_BF16. Arithmetic is in f32, and a result in bf16 is rounded once, to
// nearest, ties to even.
#ifndef CK_GELU_H
#define CK_GELU_H
#include "ck_matmul.h" // ck_type
#include "ck_runtime.h"
typedef enum ck_gelu_form : int32_t { CK_GELU_TANH = 0, CK_GELU_ERF } ck_gelu_form;
// y may be x.
ck_status ck_gelu(const ck_context *context, ck_gelu_form form, ck_type type, size_t count, const void *x, void *y);
// dx[i] = dy[i] gelu'(x[i]); dx may be dy or x.
ck_status ck_gelu_backward(const ck_context *context, ck_gelu_form form, ck_type type, size_t count, const void *dy,
                           const void *x, void *dx);
const ck_variant *ck_gelu_variants(size_t *count);
#endif
