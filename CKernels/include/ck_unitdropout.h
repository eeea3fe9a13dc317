// Dropout with a rate for every column (unit) of x [rows, columns] (Srivastava et al., JMLR 2014, section 4).
//
// The halves are those of ck_dropout.h: element e = first + i columns + j is kept iff its half is >= thresholds[j];
//   y[i,j] = kept ? x[i,j] * scales[j] : +0
// With scales of 65536 / (65536 - threshold) the mean is exactly x (inverted dropout); with scales of 1 it is the
// paper's own form, whose weights are scaled at test time instead. The gradient is the same call on dy. `first` is a
// multiple of 8, else CK_BAD_ARGUMENT. x and y may be the same pointer.
#ifndef CK_UNITDROPOUT_H
#define CK_UNITDROPOUT_H
#include "ck_runtime.h"

ck_status ck_unit_dropout_f32(const ck_context *context, uint64_t seed, uint64_t stream, uint64_t first, size_t rows,
                              size_t columns, const uint16_t *thresholds, const float *scales, const float *x,
                              float *y);
// y[i,j] = x[i,j] scales[j]; y may be x.
ck_status ck_scale_columns_f32(const ck_context *context, size_t rows, size_t columns, const float *scales,
                               const float *x, float *y);
// Rows as a whole (stochastic depth, Huang et al., ECCV 2016): row i is kept iff half i of the stream is >= threshold;
// y[i,:] = kept ? x[i,:] scale : +0. The gradient is the same call on dy. y may be x.
ck_status ck_drop_rows_f32(const ck_context *context, uint64_t seed, uint64_t stream, size_t rows, size_t columns,
                           uint16_t threshold, float scale, const float *x, float *y);
const ck_variant *ck_unitdropout_variants(size_t *count);
#endif
