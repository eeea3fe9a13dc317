// The rectified linear unit (Nair and Hinton, 2010). Operands may be the same vector.
#ifndef CK_RELU_H
#define CK_RELU_H
#include "ck_runtime.h"
// y[i] = max(x[i], 0); NaN stays NaN.
ck_status ck_relu_f32(const ck_context *context, size_t count, const float *x, float *y);
// dx[i] = y[i] > 0 ? dy[i] : 0, with y the result
ck_status ck_relu_backward_f32(const ck_context *context, size_t count, const float *dy, const float *y, float *dx);
const ck_variant *ck_relu_variants(size_t *count);
#endif
