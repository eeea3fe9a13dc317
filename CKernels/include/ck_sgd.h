// One step of stochastic gradient descent, in one pass and in place. Per element:
//
//   g' = scale g + l2 w                                    scale: see ck_step_gradient
//   u  = momentum u + g'                                   (when there is a velocity u; it starts at 0)
//   d  = g' without velocity; u with (Polyak 1964); g' + momentum u with Nesterov's (Sutskever et al., ICML 2013)
//   w  = w - rate (d + weight_decay w)
//
// velocity may be NULL, then momentum must be 0 and nesterov false; else it has the matrix's shape. The arrays must not
// overlap.
#ifndef CK_SGD_H
#define CK_SGD_H
#include "ck_step.h"

typedef struct ck_sgd_options {
  double rate, momentum;
  double weight_decay; // decoupled
  double l2;           // coupled: added to the gradient
  ck_step_gradient gradient;
  bool nesterov;
} ck_sgd_options;
ck_status ck_sgd_step(const ck_context *context, const ck_step_matrix *matrix, float *velocity, ck_sgd_options options);
const ck_variant *ck_sgd_variants(size_t *count);
#endif
