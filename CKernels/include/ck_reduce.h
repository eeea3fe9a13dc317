// One number from a whole f32 vector. The result is written when the work has run (at once, or at ck_run).
#ifndef CK_REDUCE_H
#define CK_REDUCE_H
#include "ck_runtime.h"
// *result = sum of x[i]^2, squared and added in f64: chunks of 8192 elements, then a tree over the chunks.
ck_status ck_sum_of_squares_f32(const ck_context *context, size_t count, const float *x, double *result);
// *result = sum of x[i] y[i], multiplied and added in the same way.
ck_status ck_dot_f32(const ck_context *context, size_t count, const float *x, const float *y, double *result);
// *norm = square root of the sum of squares[i], i = 0, 1, ...: the norm of what several arrays hold together.
ck_status ck_norm_f64(const ck_context *context, size_t count, const double *squares, double *norm);
// *result = 1 when no element is infinite or NaN, 0 otherwise.
ck_status ck_all_finite_f32(const ck_context *context, size_t count, const float *x, int32_t *result);
const ck_variant *ck_reduce_variants(size_t *count);
#endif
