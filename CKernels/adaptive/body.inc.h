// One step of Adagrad, RMSProp or AdaMax. See ck_adaptive.h for the formulas.
#include "vector/math.inc.h"

#include "step/span.inc.h"

CK_VECTOR void CK_NAME(adagrad_element)(const float *constants, vfloat g, vfloat *w, vfloat *a, vfloat *none) {
  const ck_adagrad_constants *k = (const void *)constants;
  g = vfma(*w, (vfloat)(k->l2), g);
  *a = vfma(g, g, *a);
  vfloat step = g / (__builtin_elementwise_sqrt(*a + k->initial) + k->epsilon);
  *w = vfma(step, (vfloat)(-k->rate), *w);
}
CK_VECTOR void CK_NAME(rmsprop_element)(const float *constants, vfloat g, vfloat *w, vfloat *v, vfloat *none) {
  const ck_rmsprop_constants *k = (const void *)constants;
  g = vfma(*w, (vfloat)(k->l2), g);
  *v = vfma(g * g, (vfloat)(k->rest), *v * k->decay);
  vfloat step = g / (__builtin_elementwise_sqrt(*v) + k->epsilon);
  *w = vfma(step, (vfloat)(-k->rate), *w);
}
CK_VECTOR void CK_NAME(adamax_element)(const float *constants, vfloat g, vfloat *w, vfloat *m, vfloat *u) {
  const ck_adamax_constants *k = (const void *)constants;
  g = vfma(*w, (vfloat)(k->l2), g);
  *m = vfma(g, (vfloat)(k->rest1), *m * k->beta1);
  *u = vmax(*u * k->beta2, vabs(g));
  vfloat step = *u == 0 ? (vfloat)(0.0f) : *m / *u; // a weight that has never had a gradient stays
  *w = vfma(step, (vfloat)(-k->rate), *w);
}

static void CK_NAME(adagrad)(const float *constants, float scale, size_t count, float *w, const float *g,
                             char *const *state, ptrdiff_t ahead) {
  vstep(CK_NAME(adagrad_element), 1, constants, scale, count, w, g, state, ahead);
}
static void CK_NAME(rmsprop)(const float *constants, float scale, size_t count, float *w, const float *g,
                             char *const *state, ptrdiff_t ahead) {
  vstep(CK_NAME(rmsprop_element), 1, constants, scale, count, w, g, state, ahead);
}
static void CK_NAME(adamax)(const float *constants, float scale, size_t count, float *w, const float *g,
                            char *const *state, ptrdiff_t ahead) {
  vstep(CK_NAME(adamax_element), 2, constants, scale, count, w, g, state, ahead);
}
