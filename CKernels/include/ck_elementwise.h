// Sums and multiples of f32 vectors, and the rectified linear unit (Nair and Hinton, 2010). Operands may be the same
// vector.
#ifndef CK_ELEMENTWISE_H
#define CK_ELEMENTWISE_H
#include "ck_runtime.h"
// z[i] = x[i] + y[i]
ck_status ck_add_f32(const ck_context *context, size_t count, const float *x, const float *y, float *z);
// y[i] += x[i]
ck_status ck_accumulate_f32(const ck_context *context, size_t count, const float *x, float *y);
// x[i] *= factor
ck_status ck_scale_f32(const ck_context *context, size_t count, float factor, float *x);
// z[i] = a x[i] + b y[i]
ck_status ck_combine_f32(const ck_context *context, size_t count, float a, const float *x, float b, const float *y,
                         float *z);
// y[i] = max(x[i], 0); NaN stays NaN.
ck_status ck_relu_f32(const ck_context *context, size_t count, const float *x, float *y);
// dx[i] = y[i] > 0 ? dy[i] : 0, with y the result
ck_status ck_relu_backward_f32(const ck_context *context, size_t count, const float *dy, const float *y, float *dx);
const ck_variant *ck_elementwise_variants(size_t *count);
#endif
