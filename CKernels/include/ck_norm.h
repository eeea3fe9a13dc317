// Layer normalization (Ba, Kiros and Hinton, 2016) and RMS normalization (Zhang and Sennrich, 2019) of each row of a
// dense matrix x [rows, columns] of f32.
//   layer  y[i,j] = gain[j] n[i,j] + bias[j],  n[i,j] = (x[i,j] - mean[i]) inverse[i]
//          mean[i] = sum over j of x[i,j] / columns
//          inverse[i] = 1 / sqrt(sum over j of (x[i,j] - mean[i])^2 / columns + epsilon)
//   RMS    y[i,j] = gain[j] n[i,j],            n[i,j] = x[i,j] inverse[i]
//          inverse[i] = 1 / sqrt(sum over j of x[i,j]^2 / columns + epsilon)
// The bits of a row do not depend on the other rows.
#ifndef CK_NORM_H
#define CK_NORM_H
#include "ck_matmul.h" // ck_type and ck_store
#include "ck_runtime.h"
// y is of y_type, f32 or bf16 (rounded to nearest, ties to even), and may be x when it is f32. mean and
// inverse_deviation, or inverse_rms, [rows] each, may be NULL when no backward pass follows.
ck_status ck_layernorm(const ck_context *context, size_t rows, size_t columns, float epsilon, const float *x,
                       const float *gain, const float *bias, void *y, ck_type y_type, float *mean,
                       float *inverse_deviation);
ck_status ck_rmsnorm(const ck_context *context, size_t rows, size_t columns, float epsilon, const float *x,
                     const float *gain, void *y, ck_type y_type, float *inverse_rms);

// With g[i,j] = dy[i,j] gain[j] and averages over j, in one pass over memory:
//   dx[i,j] = inverse[i] (g[i,j] - avg(g[i]) - n[i,j] avg(g[i] n[i])) + residual[i,j]      (RMS: without avg(g[i]))
//   dx_bf16[i,j] = dx[i,j], rounded to bf16
//   dgain[j] = sum over i of dy[i,j] n[i,j],  dbias[j] = sum over i of dy[i,j],  added to what is there or replacing it
// dy is of dy_type, f32 or bf16. residual, the gradient that goes around the norm, and dx_bf16 may be NULL. dx may be
// dy when that is f32, or residual; dx_bf16 may be dy when that is bf16. Nothing else may overlap.
// dgain and dbias are summed in chunks of 64 rows (more when rows > 16384), then by a tree over the chunks.
ck_status ck_layernorm_backward(const ck_context *context, size_t rows, size_t columns, const void *dy, ck_type dy_type,
                                const float *x, const float *gain, const float *mean, const float *inverse_deviation,
                                const float *residual, float *dx, uint16_t *dx_bf16, float *dgain, float *dbias,
                                ck_store store);
ck_status ck_rmsnorm_backward(const ck_context *context, size_t rows, size_t columns, const void *dy, ck_type dy_type,
                              const float *x, const float *gain, const float *inverse_rms, const float *residual,
                              float *dx, uint16_t *dx_bf16, float *dgain, ck_store store);
const ck_variant *ck_norm_variants(size_t *count);
#endif
