// What holds weights small, in place: a bound on each unit's norm, and L1 in its two forms.
#ifndef CK_CONSTRAINT_H
#define CK_CONSTRAINT_H
#include "ck_runtime.h"
// Max-norm (Srivastava et al., JMLR 2014, section 5.1): each row of w [rows, columns], the weights that come into one
// unit, is multiplied by limit / norm where its Euclidean norm is over the limit. Norms in f64, as sums of squares.
// Rows whose norm is infinite or NaN stay as they are. limit >= 0, else CK_BAD_ARGUMENT.
ck_status ck_max_norm_f32(const ck_context *context, size_t rows, size_t columns, double limit, float *w);
// The proximal step of threshold ||w||_1 (soft thresholding): w[i] = sign(w[i]) max(|w[i]| - threshold, 0); NaN stays.
// threshold >= 0, else CK_BAD_ARGUMENT.
ck_status ck_soft_threshold_f32(const ck_context *context, size_t count, double threshold, float *w);
// The subgradient of coefficient ||w||_1: g[i] += coefficient sign(w[i]), sign(0) = 0.
ck_status ck_l1_gradient_f32(const ck_context *context, size_t count, double coefficient, const float *w, float *g);
const ck_variant *ck_constraint_variants(size_t *count);
#endif
