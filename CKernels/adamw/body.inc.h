// One step of AdamW over `count` elements. See ck_adamw.h for the formulas.
#include "vector/math.inc.h"

CK_VECTOR void CK_NAME(element)(const ck_adamw_constants *k, vfloat g, vfloat *w, vfloat *m, vfloat *v) {
  g = vfma(*w, (vfloat)(k->l2), g * k->gradient_scale);
  *m = vfma(g, (vfloat)(k->rest1), *m * k->beta1);
  *v = vfma(g * g, (vfloat)(k->rest2), *v * k->beta2);
  vfloat step = *m * k->correction1 / (__builtin_elementwise_sqrt(*v * k->correction2) + k->epsilon);
  *w = vfma(vfma(*w, (vfloat)(k->weight_decay), step), (vfloat)(-k->rate), *w);
}

static void CK_NAME(adamw)(const ck_adamw_constants *constants, size_t count, float *w, const float *g, float *m,
                           float *v) {
  const ck_adamw_constants k = *constants;
  size_t i = 0;
  for (; i + CK_LANES <= count; i += CK_LANES) {
    vfloat weight = vload(w + i), first = vload(m + i), second = vload(v + i);
    CK_NAME(element)(&k, vload(g + i), &weight, &first, &second);
    vstore(w + i, weight);
    vstore(m + i, first);
    vstore(v + i, second);
  }
  if (i < count) {
    size_t n = count - i;
    vfloat weight = vload_part(w + i, n, 0), first = vload_part(m + i, n, 0), second = vload_part(v + i, n, 0);
    CK_NAME(element)(&k, vload_part(g + i, n, 0), &weight, &first, &second);
    vstore_part(w + i, n, weight);
    vstore_part(m + i, n, first);
    vstore_part(v + i, n, second);
  }
}
