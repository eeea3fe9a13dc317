#include "vector/math.inc.h"

CK_VECTOR vfloat CK_NAME(sine)(vfloat x) {
  vfloat s, c;
  vsincos(x, &s, &c);
  return s;
}

CK_VECTOR vfloat CK_NAME(cosine)(vfloat x) {
  vfloat s, c;
  vsincos(x, &s, &c);
  return c;
}

#define MAP(name, function)                                                                                            \
  static void CK_NAME(name)(const float *x, float *y, size_t count) {                                                  \
    size_t i = 0;                                                                                                      \
    for (; i + CK_LANES <= count; i += CK_LANES) vstore(y + i, function(vload(x + i)));                                \
    if (i < count) vstore_part(y + i, count - i, function(vload_part(x + i, count - i, 0)));                           \
  }
MAP(map_exp, vexp)
MAP(map_log, vlog)
MAP(map_tanh, vtanh)
MAP(map_erf, verf)
MAP(map_sigmoid, vsigmoid)
MAP(map_sin, CK_NAME(sine))
MAP(map_cos, CK_NAME(cosine))
#undef MAP
