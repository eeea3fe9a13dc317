// Directions of steps, element by element. See ck_layerwise.h for the formulas.
#include "vector/math.inc.h"

#include "step/span.inc.h"

// A vector of an array, or what is left of it.
CK_VECTOR vfloat CK_NAME(some)(const float *p, size_t i, size_t n) {
  return i + CK_LANES <= n ? vload(p + i) : vload_part(p + i, n - i, 0);
}
CK_VECTOR void CK_NAME(put)(float *p, size_t i, size_t n, vfloat v) {
  if (i + CK_LANES <= n)
    vstore(p + i, v);
  else
    vstore_part(p + i, n - i, v);
}

static void CK_NAME(adam_direction)(const float *constants, float scale, size_t count, float *w, const float *g,
                                    char *const *state, ptrdiff_t ahead) {
  ck_direction_constants k;
  __builtin_memcpy(&k, constants, sizeof k);
  float *m = (float *)state[0], *v = (float *)state[1], *u = (float *)state[2];
  for (size_t i = 0; i < count; i += CK_LANES) {
    const vfloat gradient = CK_NAME(some)(g, i, count) * scale, weight = CK_NAME(some)(w, i, count);
    const vfloat first = vfma(gradient, (vfloat)(k.rest1), CK_NAME(some)(m, i, count) * k.beta1);
    const vfloat second = vfma(gradient * gradient, (vfloat)(k.rest2), CK_NAME(some)(v, i, count) * k.beta2);
    const vfloat root = __builtin_elementwise_sqrt(second * k.correction2) + k.epsilon;
    const vfloat step = root == 0.0f ? (vfloat)(0.0f) : first * k.correction1 / root; // as adamw/body.inc.h
    const vfloat settled = vsettled(first);
    CK_NAME(put)(m, i, count, settled);
    CK_NAME(put)(v, i, count, vsettled_beside(settled, second));
    CK_NAME(put)(u, i, count, vfma(weight, (vfloat)(k.weight_decay), step));
  }
}

static void CK_NAME(momentum_direction)(const float *constants, float scale, size_t count, float *w, const float *g,
                                        char *const *state, ptrdiff_t ahead) {
  const float momentum = constants[0];
  float *m = (float *)state[0], *u = (float *)state[1];
  for (size_t i = 0; i < count; i += CK_LANES) {
    const vfloat gradient = CK_NAME(some)(g, i, count) * scale;
    const vfloat velocity = vfma(CK_NAME(some)(m, i, count), (vfloat)(momentum), gradient);
    CK_NAME(put)(m, i, count, vsettled(velocity));
    CK_NAME(put)(u, i, count, vfma(velocity, (vfloat)(momentum), gradient));
  }
}

static void CK_NAME(unfactored_direction)(const float *constants, float scale, size_t count, float *w, const float *g,
                                          char *const *state, ptrdiff_t ahead) {
  const float decay = constants[0], rest = constants[1], epsilon = constants[2];
  float *v = (float *)state[0], *u = (float *)state[1];
  for (size_t i = 0; i < count; i += CK_LANES) {
    const vfloat gradient = CK_NAME(some)(g, i, count) * scale;
    const vfloat square = vfma(gradient, gradient, (vfloat)(epsilon));
    const vfloat second = vfma(square, (vfloat)(rest), CK_NAME(some)(v, i, count) * decay);
    CK_NAME(put)(v, i, count, second);
    CK_NAME(put)(u, i, count, gradient / __builtin_elementwise_sqrt(second));
  }
}

static void CK_NAME(multiplied)(const float *x, float factor, size_t count, float *y) {
  for (size_t i = 0; i < count; i += CK_LANES) CK_NAME(put)(y, i, count, CK_NAME(some)(x, i, count) * factor);
}

static void CK_NAME(hold_zeros)(const float *w, const float *m, size_t count, float *u) {
  for (size_t i = 0; i < count; i += CK_LANES) {
    const vint held = (CK_NAME(some)(w, i, count) == 0) & (CK_NAME(some)(m, i, count) == 0);
    CK_NAME(put)(u, i, count, held ? (vfloat)(0.0f) : CK_NAME(some)(u, i, count));
  }
}
