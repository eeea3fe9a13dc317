// Elementary functions of every element of an f32 vector: the vector mathematics that the other kernels are made of.
// Worst errors found over the whole range, in units in the last place: exp 1.0, log 0.9, tanh 1.4, erf 1.2, sigmoid 3.
// sin and cos: 1.5e-7 absolute for |x| <= 8192, no meaning beyond.
#ifndef CK_MAP_H
#define CK_MAP_H
#include "ck_runtime.h"
typedef enum ck_function : int32_t {
  CK_EXP = 0,
  CK_LOG,
  CK_TANH,
  CK_ERF,
  CK_SIGMOID,
  CK_SIN,
  CK_COS,
  CK_FUNCTIONS // their number
} ck_function;
// y[i] = function(x[i]); y may be x.
ck_status ck_map_f32(const ck_context *context, ck_function function, size_t count, const float *x, float *y);
const ck_variant *ck_map_variants(size_t *count);
#endif
