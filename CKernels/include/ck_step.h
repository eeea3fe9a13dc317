// What the steps of all optimizers share: a matrix of weights, its gradient, the packed forms that are rebuilt from the
// new weights in the same pass, and clipping by a norm that is only known when the step runs.
//
//   w, g      [rows, columns], f32, row-major: outputs x inputs of a linear layer. A vector is one row.
//   forward   CK_TRANSPOSED from w: n = rows, k = columns (what x W^T multiplies with)
//   backward  CK_AS_IS from w: n = columns, k = rows (what dY W multiplies with)
//
// Either form or both may be NULL. Both are of one product, f32, bf16 or f16. Every element is updated alone, so the
// result does not depend on packed forms, workers or tiles. Whatever is updated must not overlap anything else, and
// nobody may multiply with the packed forms meanwhile.
#ifndef CK_STEP_H
#define CK_STEP_H
#include "ck_matmul.h"

typedef struct ck_step_matrix {
  size_t rows, columns;
  float *w;
  const float *g;
  ck_packed *forward, *backward;
} ck_step_matrix;

// The gradient is multiplied by scale, and by limit / norm where the norm, read when the step runs, is over the limit.
// Where the norm is infinite or NaN nothing at all is changed. Without a norm (NULL) the limit is not looked at.
typedef struct ck_step_gradient {
  double scale;
  const double *norm;
  double limit;         // over 0; infinity: never clips, but still leaves everything when the norm is not finite
  const double *factor; // multiplies the gradient too, read when the step runs: what layerwise optimizers make of norms
} ck_step_gradient;     // NULL: 1
#endif
