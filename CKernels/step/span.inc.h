// Makes a ck_step_rule of the algebra for one vector. Needs vector/math.inc.h first.
//
//   CK_VECTOR void CK_NAME(element)(const constants *k, vfloat g, vfloat *w, vfloat *a, vfloat *b)
//
// where g is the gradient after scaling and a and b are the rule's f32 arrays, as many as it has.
#ifndef CK_STEP_SPAN
#define CK_STEP_SPAN
#define vstep CK_NAME(ck_vstep)
#define vfetch CK_NAME(ck_vfetch)
#define vsettled CK_NAME(ck_vsettled)
#define vsettled_alone CK_NAME(ck_vsettled_alone)
#define vsettled_beside CK_NAME(ck_vsettled_beside)
#endif

// One line of the cache at a time, where a vector is one.
CK_VECTOR void vfetch(const float *p) {
  if (CK_LANES == 16) __builtin_prefetch(p, 0, 2);
}

// Zero instead of a denormal. The average of a gradient that has become zero shrinks at every step until, at the
// smallest denormal, 0.9 of it rounds to itself: it would stay there for ever, and every step would pay for denormal
// operands.
CK_VECTOR vfloat vsettled(vfloat x) { return vselect(((vint)x & 0x7f800000) == 0, (vfloat)(0.0f), x); }

// The only array of a rule may be one of squares, which divides what comes in: it is settled where nothing comes in and
// it shrinks. A mean of the squares of small gradients is not, nor is a sum of them, which never shrinks.
CK_VECTOR vfloat vsettled_alone(vfloat gradient, vfloat before, vfloat x) {
  return vselect((gradient == 0.0f) & (vabs(x) < vabs(before)), vsettled(x), x);
}

// The second array divides the first: it stays as long as there is something to divide.
CK_VECTOR vfloat vsettled_beside(vfloat first, vfloat x) { return vselect(first == 0.0f, vsettled(x), x); }

typedef void CK_NAME(ck_step_element)(const float *constants, vfloat g, vfloat *w, vfloat *a, vfloat *b);

CK_VECTOR void vstep(CK_NAME(ck_step_element) * element, const int arrays, const float *constants, float scale,
                     size_t count, float *w, const float *g, char *const *state, ptrdiff_t ahead) {
  float k[CK_STEP_CONSTANTS]; // a copy that no store can reach, so that it stays in registers
  __builtin_memcpy(k, constants, sizeof k);
  float *a = (float *)(arrays > 0 ? state[0] : NULL), *b = (float *)(arrays > 1 ? state[1] : NULL);
  size_t i = 0;
  for (; i + CK_LANES <= count; i += CK_LANES) {
    vfloat weight = vload(w + i), first = 0, second = 0;
    vfetch(w + i + ahead);
    vfetch(g + i + ahead);
    if (arrays > 0) vfetch(a + i + ahead);
    if (arrays > 1) vfetch(b + i + ahead);
    if (arrays > 0) first = vload(a + i);
    if (arrays > 1) second = vload(b + i);
    const vfloat gradient = vload(g + i) * scale, before = first;
    element(k, gradient, &weight, &first, &second);
    first = arrays > 1 ? vsettled(first) : vsettled_alone(gradient, before, first);
    vstore(w + i, weight);
    if (arrays > 0) vstore(a + i, first);
    if (arrays > 1) vstore(b + i, vsettled_beside(first, second));
  }
  if (i == count) return;
  const size_t n = count - i;
  vfloat weight = vload_part(w + i, n, 0), first = 0, second = 0;
  if (arrays > 0) first = vload_part(a + i, n, 0);
  if (arrays > 1) second = vload_part(b + i, n, 0);
  const vfloat gradient = vload_part(g + i, n, 0) * scale, before = first;
  element(k, gradient, &weight, &first, &second);
  first = arrays > 1 ? vsettled(first) : vsettled_alone(gradient, before, first);
  vstore_part(w + i, n, weight);
  if (arrays > 0) vstore_part(a + i, n, first);
  if (arrays > 1) vstore_part(b + i, n, vsettled_beside(first, second));
}
