#include "vector/math.inc.h"

#include "vector/squares.inc.h"

static void CK_NAME(max_norm)(float *w, size_t columns, double limit) {
  const double norm = __builtin_sqrt(CK_NAME(squares)(w, columns));
  if (!(norm > limit && norm < __builtin_inf())) return; // limit / infinity would make zeros of the row's numbers
  const float factor = (float)(limit / norm);
  size_t j = 0;
  for (; j + CK_LANES <= columns; j += CK_LANES) vstore(w + j, vload(w + j) * factor);
  if (j < columns) vstore_part(w + j, columns - j, vload_part(w + j, columns - j, 0) * factor);
}

// Where |w| <= threshold: 0. NaN fails the comparison and goes on.
CK_VECTOR vfloat CK_NAME(shrunk)(vfloat w, float threshold) {
  return vabs(w) <= threshold ? (vfloat)(0.0f) : w - vcopysign((vfloat)(threshold), w);
}

static void CK_NAME(soft_threshold)(float *w, const float *none, size_t count, float threshold) {
  size_t i = 0;
  for (; i + CK_LANES <= count; i += CK_LANES) vstore(w + i, CK_NAME(shrunk)(vload(w + i), threshold));
  if (i < count) vstore_part(w + i, count - i, CK_NAME(shrunk)(vload_part(w + i, count - i, 0), threshold));
}

CK_VECTOR vfloat CK_NAME(penalized)(vfloat g, vfloat w, float coefficient) {
  return g + (w > 0 ? (vfloat)(coefficient) : w < 0 ? (vfloat)(-coefficient) : (vfloat)(0.0f));
}

static void CK_NAME(l1_gradient)(float *g, const float *w, size_t count, float coefficient) {
  size_t i = 0;
  for (; i + CK_LANES <= count; i += CK_LANES)
    vstore(g + i, CK_NAME(penalized)(vload(g + i), vload(w + i), coefficient));
  if (i < count) {
    const size_t n = count - i;
    vstore_part(g + i, n, CK_NAME(penalized)(vload_part(g + i, n, 0), vload_part(w + i, n, 0), coefficient));
  }
}
