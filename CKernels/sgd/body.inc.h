// One step of gradient descent over `count` elements. See ck_sgd.h for the formulas.
#include "vector/math.inc.h"

// The three forms share the ends; the velocity is read and written only where there is one.
CK_VECTOR vfloat CK_NAME(moved)(const ck_sgd_constants *k, vfloat w, vfloat direction) {
  return vfma(vfma(w, (vfloat)(k->weight_decay), direction), (vfloat)(-k->rate), w);
}
CK_VECTOR vfloat CK_NAME(gradient)(const ck_sgd_constants *k, vfloat w, vfloat g) {
  return vfma(w, (vfloat)(k->l2), g * k->gradient_scale);
}
CK_VECTOR void CK_NAME(velocity_element)(const ck_sgd_constants *k, vfloat g, vfloat *w, vfloat *u, bool nesterov) {
  g = CK_NAME(gradient)(k, *w, g);
  *u = vfma(*u, (vfloat)(k->momentum), g);
  *w = CK_NAME(moved)(k, *w, nesterov ? vfma(*u, (vfloat)(k->momentum), g) : *u);
}

static void CK_NAME(plain)(const ck_sgd_constants *constants, size_t count, float *w, const float *g, float *u) {
  const ck_sgd_constants k = *constants;
  size_t i = 0;
  for (; i + CK_LANES <= count; i += CK_LANES) {
    vfloat weight = vload(w + i);
    vstore(w + i, CK_NAME(moved)(&k, weight, CK_NAME(gradient)(&k, weight, vload(g + i))));
  }
  if (i < count) {
    vfloat weight = vload_part(w + i, count - i, 0), slope = vload_part(g + i, count - i, 0);
    vstore_part(w + i, count - i, CK_NAME(moved)(&k, weight, CK_NAME(gradient)(&k, weight, slope)));
  }
}

CK_VECTOR void CK_NAME(with_velocity)(const ck_sgd_constants *constants, size_t count, float *w, const float *g,
                                      float *u, bool nesterov) {
  const ck_sgd_constants k = *constants;
  size_t i = 0;
  for (; i + CK_LANES <= count; i += CK_LANES) {
    vfloat weight = vload(w + i), velocity = vload(u + i);
    CK_NAME(velocity_element)(&k, vload(g + i), &weight, &velocity, nesterov);
    vstore(w + i, weight);
    vstore(u + i, velocity);
  }
  if (i < count) {
    vfloat weight = vload_part(w + i, count - i, 0), velocity = vload_part(u + i, count - i, 0);
    CK_NAME(velocity_element)(&k, vload_part(g + i, count - i, 0), &weight, &velocity, nesterov);
    vstore_part(w + i, count - i, weight);
    vstore_part(u + i, count - i, velocity);
  }
}

static void CK_NAME(momentum)(const ck_sgd_constants *constants, size_t count, float *w, const float *g, float *u) {
  CK_NAME(with_velocity)(constants, count, w, g, u, false);
}
static void CK_NAME(nesterov)(const ck_sgd_constants *constants, size_t count, float *w, const float *g, float *u) {
  CK_NAME(with_velocity)(constants, count, w, g, u, true);
}
