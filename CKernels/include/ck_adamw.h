// One step of Adam (Kingma and Ba, ICLR 2015, Algorithm 1) with decoupled weight decay (Loshchilov and Hutter, ICLR
// 2019, Algorithm 2, with the decay multiplied by the rate), in one pass and in place. Per element:
//
//   g' = scale g + l2 w                                      scale: see ck_step_gradient
//   m  = beta1 m + (1 - beta1) g'
//   v  = beta2 v + (1 - beta2) g'^2
//   w  = w - rate (correction1 m / (sqrt(correction2 v) + epsilon) + weight_decay w)
//
// The quotient is 0 where its divisor is, which takes an epsilon of 0.
//
// correction1 = 1 / (1 - beta1^t) and correction2 = 1 / (1 - beta2^t) for step t = 1, 2, ... come from the caller, in
// double precision. m and v have the matrix's shape. The arrays must not overlap.
#ifndef CK_ADAMW_H
#define CK_ADAMW_H
#include "ck_step.h"

typedef struct ck_adamw_options {
  double rate, beta1, beta2, epsilon;
  double weight_decay; // decoupled
  double l2;           // coupled: added to the gradient
  double correction1, correction2;
  ck_step_gradient gradient;
} ck_adamw_options;
ck_status ck_adamw_step(const ck_context *context, const ck_step_matrix *matrix, float *m, float *v,
                        ck_adamw_options options);
const ck_variant *ck_adamw_variants(size_t *count);
#endif
