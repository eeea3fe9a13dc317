// Steps whose size in every weight follows the gradients that the weight has seen, in one pass and in place. Per
// element, with g' = scale g + l2 w (scale: see ck_step_gradient):
//
//   Adagrad (Duchi, Hazan and Singer, JMLR 2011, Figure 1, diagonal):
//     a = a + g'^2                          w = w - rate g' / (sqrt(a + initial) + epsilon)
//   RMSProp (Tieleman and Hinton 2012, lecture 6.5; epsilon outside of the root):
//     v = decay v + (1 - decay) g'^2        w = w - rate g' / (sqrt(v) + epsilon)
//   AdaMax (Kingma and Ba, ICLR 2015, Algorithm 2):
//     m = beta1 m + (1 - beta1) g'
//     u = max(beta2 u, |g'|)                w = w - rate correction m / u      0 where u = 0
//
// `initial` is what Adagrad's accumulator starts from; a itself starts at zeros. correction = 1 / (1 - beta1^t) for
// step t = 1, 2, ... comes from the caller. State has the matrix's shape. The arrays must not overlap.
#ifndef CK_ADAPTIVE_H
#define CK_ADAPTIVE_H
#include "ck_step.h"

typedef struct ck_adagrad_options {
  double rate, initial, epsilon, l2;
  ck_step_gradient gradient;
} ck_adagrad_options;
ck_status ck_adagrad_step(const ck_context *context, const ck_step_matrix *matrix, float *a,
                          ck_adagrad_options options);

typedef struct ck_rmsprop_options {
  double rate, decay, epsilon, l2;
  ck_step_gradient gradient;
} ck_rmsprop_options;
ck_status ck_rmsprop_step(const ck_context *context, const ck_step_matrix *matrix, float *v,
                          ck_rmsprop_options options);

typedef struct ck_adamax_options {
  double rate, beta1, beta2, correction, l2;
  ck_step_gradient gradient;
} ck_adamax_options;
ck_status ck_adamax_step(const ck_context *context, const ck_step_matrix *matrix, float *m, float *u,
                         ck_adamax_options options);

const ck_variant *ck_adaptive_variants(size_t *count);
#endif
