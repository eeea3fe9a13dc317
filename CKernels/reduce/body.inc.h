#include "vector/math.inc.h"

#include "vector/squares.inc.h"

static double CK_NAME(inner_product)(const float *x, const float *y, size_t count) {
  return x == y ? CK_NAME(squares)(x, count) : CK_NAME(dot)(x, y, count);
}

// Without its sign the pattern of an infinity or NaN is 0x7f800000 or more as an integer.
static bool CK_NAME(finite)(const float *x, size_t count) {
  vint highest[4] = {0, 0, 0, 0};
  size_t i = 0;
  for (; i + 4 * CK_LANES <= count; i += 4 * CK_LANES)
    for (size_t k = 0; k < 4; ++k) {
      vint bits = (vint)vload(x + i + k * CK_LANES) & 0x7fffffff;
      highest[k] = bits > highest[k] ? bits : highest[k];
    }
  for (; i < count; i += CK_LANES) {
    vint bits = (vint)vload_part(x + i, ck_min(CK_LANES, count - i), 0) & 0x7fffffff;
    highest[0] = bits > highest[0] ? bits : highest[0];
  }
  vint found =
      (highest[0] >= 0x7f800000) | (highest[1] >= 0x7f800000) | (highest[2] >= 0x7f800000) | (highest[3] >= 0x7f800000);
  return __builtin_reduce_or(found) == 0;
}
