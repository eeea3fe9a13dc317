// One step of gradient descent. See ck_sgd.h for the formulas.
#include "vector/math.inc.h"

#include "step/span.inc.h"

// The three forms share the ends; the velocity is read and written only where there is one.
CK_VECTOR vfloat CK_NAME(moved)(const ck_sgd_constants *k, vfloat w, vfloat direction) {
  return vfma(vfma(w, (vfloat)(k->weight_decay), direction), (vfloat)(-k->rate), w);
}
CK_VECTOR void CK_NAME(plain_element)(const float *constants, vfloat g, vfloat *w, vfloat *none, vfloat *neither) {
  const ck_sgd_constants *k = (const void *)constants;
  *w = CK_NAME(moved)(k, *w, vfma(*w, (vfloat)(k->l2), g));
}
CK_VECTOR void CK_NAME(momentum_element)(const float *constants, vfloat g, vfloat *w, vfloat *u, vfloat *none) {
  const ck_sgd_constants *k = (const void *)constants;
  *u = vfma(*u, (vfloat)(k->momentum), vfma(*w, (vfloat)(k->l2), g));
  *w = CK_NAME(moved)(k, *w, *u);
}
CK_VECTOR void CK_NAME(nesterov_element)(const float *constants, vfloat g, vfloat *w, vfloat *u, vfloat *none) {
  const ck_sgd_constants *k = (const void *)constants;
  g = vfma(*w, (vfloat)(k->l2), g);
  *u = vfma(*u, (vfloat)(k->momentum), g);
  *w = CK_NAME(moved)(k, *w, vfma(*u, (vfloat)(k->momentum), g));
}

static void CK_NAME(plain)(const float *constants, float scale, size_t count, float *w, const float *g,
                           char *const *state, ptrdiff_t ahead) {
  vstep(CK_NAME(plain_element), 0, constants, scale, count, w, g, state, ahead);
}
static void CK_NAME(momentum)(const float *constants, float scale, size_t count, float *w, const float *g,
                              char *const *state, ptrdiff_t ahead) {
  vstep(CK_NAME(momentum_element), 1, constants, scale, count, w, g, state, ahead);
}
static void CK_NAME(nesterov)(const float *constants, float scale, size_t count, float *w, const float *g,
                              char *const *state, ptrdiff_t ahead) {
  vstep(CK_NAME(nesterov_element), 1, constants, scale, count, w, g, state, ahead);
}
