// One step of Lion (Chen et al., "Symbolic discovery of optimization algorithms", NeurIPS 2023, Algorithm 2), in one
// pass and in place. Per element:
//
//   g' = scale g                                             scale: see ck_step_gradient
//   c  = beta1 m + (1 - beta1) g'
//   w  = w - rate (sign(c) + weight_decay w)                 sign(0) = 0
//   m  = beta2 m + (1 - beta2) g'
//
// m has the matrix's shape. The arrays must not overlap.
#ifndef CK_LION_H
#define CK_LION_H
#include "ck_step.h"

typedef struct ck_lion_options {
  double rate, beta1, beta2;
  double weight_decay; // decoupled
  ck_step_gradient gradient;
} ck_lion_options;
ck_status ck_lion_step(const ck_context *context, const ck_step_matrix *matrix, float *m, ck_lion_options options);
const ck_variant *ck_lion_variants(size_t *count);
#endif
