// Sums and multiples of f32 vectors. Operands may be the same vector.
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
const ck_variant *ck_elementwise_variants(size_t *count);
#endif
