// One step of Lion. See ck_lion.h for the formulas.
#include "vector/math.inc.h"

#include "step/span.inc.h"

CK_VECTOR void CK_NAME(lion_element)(const float *constants, vfloat g, vfloat *w, vfloat *m, vfloat *none) {
  const ck_lion_constants *k = (const void *)constants;
  vfloat c = vfma(g, (vfloat)(k->rest1), *m * k->beta1);
  *m = vfma(g, (vfloat)(k->rest2), *m * k->beta2);
  vfloat sign = c > 0 ? (vfloat)(1.0f) : c < 0 ? (vfloat)(-1.0f) : c; // c: zero, or NaN, which must not be lost
  *w = vfma(vfma(*w, (vfloat)(k->weight_decay), sign), (vfloat)(-k->rate), *w);
}

static void CK_NAME(lion)(const float *constants, float scale, size_t count, float *w, const float *g,
                          char *const *state, ptrdiff_t ahead) {
  vstep(CK_NAME(lion_element), 1, constants, scale, count, w, g, state, ahead);
}
