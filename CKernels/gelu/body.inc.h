#include "vector/math.inc.h"

#include "vector/gelu.inc.h"

#define GELU_FORWARD(form)                                                                                             \
  static void CK_NAME(form##_forward)(const gelu_job *job, size_t first, size_t last) {                                \
    const float *x = job->x;                                                                                           \
    float *y = job->y;                                                                                                 \
    size_t i = first;                                                                                                  \
    for (; i + CK_LANES <= last; i += CK_LANES) vstore(y + i, v##form(vload(x + i)));                                  \
    if (i < last) vstore_part(y + i, last - i, v##form(vload_part(x + i, last - i, 0)));                               \
  }
#define GELU_BACKWARD(form)                                                                                            \
  static void CK_NAME(form##_backward)(const gelu_job *job, size_t first, size_t last) {                               \
    const float *x = job->x, *dy = job->dy;                                                                            \
    float *dx = job->y;                                                                                                \
    size_t i = first;                                                                                                  \
    for (; i + CK_LANES <= last; i += CK_LANES) vstore(dx + i, vload(dy + i) * v##form##_derivative(vload(x + i)));    \
    if (i < last)                                                                                                      \
      vstore_part(dx + i, last - i,                                                                                    \
                  vload_part(dy + i, last - i, 0) * v##form##_derivative(vload_part(x + i, last - i, 0)));             \
  }
GELU_FORWARD(gelu_tanh)
GELU_FORWARD(gelu_erf)
GELU_BACKWARD(gelu_tanh)
GELU_BACKWARD(gelu_erf)
#undef GELU_FORWARD
#undef GELU_BACKWARD
