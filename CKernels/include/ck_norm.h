// Layer normalization of each row of a dense matrix [rows, columns] (Ba, Kiros and Hinton, 2016).
//   y[i,j] = gain[j] n[i,j] + bias[j],  n[i,j] = (x[i,j] - mean[i]) inverse[i]
//   mean[i] = sum over j of x[i,j] / columns
//   inverse[i] = 1 / sqrt(sum over j of (x[i,j] - mean[i])^2 / columns + epsilon)
#ifndef CK_NORM_H
#define CK_NORM_H
#include "ck_runtime.h"
// mean and inverse_deviation, [rows] each, may be NULL when no backward pass follows. y may be x.
ck_status ck_layernorm_f32(const ck_context *context, size_t rows, size_t columns, float epsilon, const float *x,
                           const float *gain, const float *bias, float *y, float *mean, float *inverse_deviation);
// With g[i,j] = dy[i,j] gain[j] and the averages over j
//   dx[i,j] = inverse[i] (g[i,j] - avg(g[i]) - n[i,j] avg(g[i] n[i]))            replaced; may be dy
//   dgain[j] += sum over i of dy[i,j] n[i,j],  dbias[j] += sum over i of dy[i,j]
// The last two are summed in chunks of 64 rows (more when rows > 16384), then by a tree over the chunks.
ck_status ck_layernorm_backward_f32(const ck_context *context, size_t rows, size_t columns, const float *dy,
                                    const float *x, const float *gain, const float *mean,
                                    const float *inverse_deviation, float *dx, float *dgain, float *dbias);
const ck_variant *ck_norm_variants(size_t *count);
#endif
