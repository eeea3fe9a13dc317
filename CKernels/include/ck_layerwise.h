// What optimizers are made of whose steps depend on norms of whole matrices. A step is several operations: moments and
// a direction u are made of the gradient, norms of u and w are taken (ck_sum_of_squares_f32), a factor is made of the
// norms, and ck_sgd_step takes u as its gradient and the factor as ck_step_gradient.factor. All of them can be noted,
// and nothing but memory passes between them.
//
// Everything that depends on the gradient obeys ck_step_gradient: where the norm is infinite or NaN, it writes nothing.
#ifndef CK_LAYERWISE_H
#define CK_LAYERWISE_H
#include "ck_adamw.h"
#include "ck_step.h"

// Adam's direction (ck_adamw.h), with the decay in it, but not taken: w stays. options.rate is not used.
//   m, v as there;   u = correction1 m / (sqrt(correction2 v) + epsilon) + weight_decay w, the quotient 0 as there
// The matrix has no packed forms. m, v and u have its shape.
ck_status ck_adam_direction(const ck_context *context, const ck_step_matrix *matrix, float *m, float *v, float *u,
                            ck_adamw_options options);
// LAMB's trust ratio (You et al., ICLR 2020, Algorithm 2): *factor = |w| / |u|, of norms given as their squares; 1
// where either is zero.
ck_status ck_trust_ratio(const ck_context *context, const double *w_squares, const double *u_squares, double *factor);

// Nesterov's momentum as a direction:  m = momentum m + g',  u = g' + momentum m. 0 <= momentum < 1.
ck_status ck_momentum_direction(const ck_context *context, const ck_step_matrix *matrix, float *m, float *u,
                                double momentum, ck_step_gradient gradient);
// y[i] = x[i] / (sqrt(*squares) + epsilon), squares read when it runs. y may be x.
ck_status ck_normalize_f32(const ck_context *context, size_t count, const double *squares, double epsilon,
                           const float *x, float *y);

// u[i] = 0 where w[i] and m[i] are both zero: what mixes elements leaves weights alone that are held at zero.
ck_status ck_hold_zeros_f32(const ck_context *context, size_t count, const float *w, const float *m, float *u);

// Adafactor's factored second moment (Shazeer and Stern, ICML 2018, Algorithm 4), of g [rows, columns]:
//   row[i]    = decay row[i]    + (1 - decay) (mean over j of g'[i,j]^2 + epsilon)
//   column[j] = decay column[j] + (1 - decay) (mean over i of g'[i,j]^2 + epsilon)
//   *mean_row = mean of row
// Sums over a row in f64, over columns in f32 over chunks of rows, then a tree.
ck_status ck_factored_moments(const ck_context *context, size_t rows, size_t columns, const float *g, float *row,
                              float *column, double *mean_row, double decay, double epsilon, ck_step_gradient gradient);
// u[i,j] = g'[i,j] / sqrt(row[i] column[j] / *mean_row)
ck_status ck_factored_direction(const ck_context *context, size_t rows, size_t columns, const float *g,
                                const float *row, const float *column, const double *mean_row, float *u,
                                ck_step_gradient gradient);
// The same of a vector, whose second moment is not factored:  v = decay v + (1 - decay) (g'^2 + epsilon),
// u = g' / sqrt(v). The matrix's w is not looked at.
ck_status ck_unfactored_direction(const ck_context *context, const ck_step_matrix *matrix, float *v, float *u,
                                  double decay, double epsilon, ck_step_gradient gradient);
// Update clipping (section 6), and steps relative to the weights (section 8) when w_squares is not NULL:
//   *factor = max(floor, RMS(w)) / max(1, RMS(u) / limit),   RMS(x) = sqrt(squares / count)
// floor is not looked at without w_squares, and the numerator is 1.
ck_status ck_rms_factor(const ck_context *context, size_t count, const double *u_squares, double limit,
                        const double *w_squares, double floor, double *factor);
const ck_variant *ck_layerwise_variants(size_t *count);
#endif
