// Softmax of each row of a dense matrix [rows, columns].
#ifndef CK_SOFTMAX_H
#define CK_SOFTMAX_H
#include "ck_runtime.h"
// y[i,j] = exp(x[i,j] - m[i]) / sum over j of the same, m[i] the greatest of row i. y may be x.
// A row that holds NaN or +infinity, or nothing but -infinity, gives NaN.
ck_status ck_softmax_f32(const ck_context *context, size_t rows, size_t columns, const float *x, float *y);
// dx[i,j] = y[i,j] (dy[i,j] - sum over k of dy[i,k] y[i,k]). dx may be dy or y.
ck_status ck_softmax_backward_f32(const ck_context *context, size_t rows, size_t columns, const float *dy,
                                  const float *y, float *dx);
const ck_variant *ck_softmax_variants(size_t *count);
#endif
