#include "vector/math.inc.h"
#include "vector/typed.inc.h"

#include "vector/gelu.inc.h"

// f of elements first ..< last, of one type, two vectors at a time. `streams`: they go around the caches.
#define GELU_EACH(type, streams, f)                                                                                    \
  do {                                                                                                                 \
    size_t i = first;                                                                                                  \
    for (; i + 2 * CK_LANES <= last; i += 2 * CK_LANES) {                                                              \
      vfloat low = f(vload_as(x, i, type), vload_as(dy, i, type));                                                     \
      vfloat high = f(vload_as(x, i + CK_LANES, type), vload_as(dy, i + CK_LANES, type));                              \
      vstore_pair_as(y, i, low, high, type, streams);                                                                  \
    }                                                                                                                  \
    for (size_t n; i < last; i += n) {                                                                                 \
      n = last - i < CK_LANES ? last - i : CK_LANES;                                                                   \
      vstore_part_as(y, i, n, f(vload_part_as(x, i, n, 0, type), vload_part_as(dy, i, n, 0, type)), type);             \
    }                                                                                                                  \
  } while (0)
#if defined(__x86_64__)
#define GELU_FENCE() __builtin_ia32_sfence() // other workers must see streamed lines after the barrier
#else
#define GELU_FENCE() ((void)0)
#endif

#define GELU_KERNEL(name, type, f)                                                                                     \
  static void CK_NAME(name)(const gelu_job *job, size_t first, size_t last) {                                          \
    const void *x = job->x, *dy = job->dy;                                                                             \
    void *y = job->y;                                                                                                  \
    if (job->streams) {                                                                                                \
      GELU_EACH(type, true, f);                                                                                        \
      GELU_FENCE();                                                                                                    \
    } else                                                                                                             \
      GELU_EACH(type, false, f);                                                                                       \
  }
#define GELU_FORM(form)                                                                                                \
  CK_VECTOR vfloat CK_NAME(form##_of)(vfloat x, vfloat dy) { return v##form(x); }                                      \
  CK_VECTOR vfloat CK_NAME(form##_gradient)(vfloat x, vfloat dy) { return dy * v##form##_derivative(x); }              \
  GELU_KERNEL(form##_forward_f32, CK_F32, CK_NAME(form##_of))                                                          \
  GELU_KERNEL(form##_forward_bf16, CK_BF16, CK_NAME(form##_of))                                                        \
  GELU_KERNEL(form##_backward_f32, CK_F32, CK_NAME(form##_gradient))                                                   \
  GELU_KERNEL(form##_backward_bf16, CK_BF16, CK_NAME(form##_gradient))
GELU_FORM(gelu_tanh)
GELU_FORM(gelu_erf)
#undef GELU_FORM
#undef GELU_KERNEL
#undef GELU_FENCE
#undef GELU_EACH
