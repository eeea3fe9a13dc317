// One step of AdamW. See ck_adamw.h for the formulas.
#include "vector/math.inc.h"

#include "step/span.inc.h"

CK_VECTOR void CK_NAME(adamw_element)(const float *constants, vfloat g, vfloat *w, vfloat *m, vfloat *v) {
  const ck_adamw_constants *k = (const void *)constants;
  g = vfma(*w, (vfloat)(k->l2), g);
  *m = vfma(g, (vfloat)(k->rest1), *m * k->beta1);
  *v = vfma(g * g, (vfloat)(k->rest2), *v * k->beta2);
  // Without an epsilon, a weight stays whose gradients were all zero, or too small for their squares to be numbers.
  const vfloat root = __builtin_elementwise_sqrt(*v * k->correction2) + k->epsilon;
  vfloat step = root == 0.0f ? (vfloat)(0.0f) : *m * k->correction1 / root;
  *w = vfma(vfma(*w, (vfloat)(k->weight_decay), step), (vfloat)(-k->rate), *w);
}

static void CK_NAME(adamw)(const float *constants, float scale, size_t count, float *w, const float *g,
                           char *const *state, ptrdiff_t ahead) {
  vstep(CK_NAME(adamw_element), 2, constants, scale, count, w, g, state, ahead);
}
