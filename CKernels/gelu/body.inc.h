#include "vector/math.inc.h"
#include "vector/typed.inc.h"

#include "gelu/segments.inc.h"
#include "vector/gelu.inc.h"
#include "vector/pairs.inc.h"

#if CK_LANES == 16
CK_VECTOR vfloat CK_NAME(segmented)(const gelu_segments *segments, vfloat x) {
  vfloat u = vmax((vfloat)(-15.0f), vmin((vfloat)(15.0f), x + x));
  vfloat shifted = u + CK_ROUNDER; // the whole part is in the low bits, of which the permutation takes five
  vfloat r = u - (shifted - CK_ROUNDER), p = 0;
#pragma clang loop unroll(full)
  for (int k = 5; k >= 0; k--) {
    const float *c = segments->coefficients[k];
    vfloat of_lane = (vfloat)_mm512_permutex2var_ps((__m512)vload(c), (__m512i)shifted, (__m512)vload(c + 16));
    p = k == 5 ? of_lane : vfma(p, r, of_lane);
  }
  return p;
}
#define SEGMENTED_OR(segments, x, otherwise) CK_NAME(segmented)(&segments, x)
#else
#define SEGMENTED_OR(segments, x, otherwise) (otherwise)
#endif

// Types are constants where these are inlined. Going forward dy is not read.
CK_VECTOR vfloat CK_NAME(gelu_tanh_forward)(vfloat dy, vfloat x, ck_type type) {
  return vgelu_tanh(x, type == CK_BF16);
}
CK_VECTOR vfloat CK_NAME(gelu_tanh_backward)(vfloat dy, vfloat x, ck_type type) {
  return dy * (type == CK_BF16 ? SEGMENTED_OR(gelu_tanh_derivative_segments, x, vgelu_tanh_derivative(x, true))
                               : vgelu_tanh_derivative(x, false));
}
CK_VECTOR vfloat CK_NAME(gelu_erf_forward)(vfloat dy, vfloat x, ck_type type) {
  // Without segments Phi stays at 8e-13 far out: x may not grow there.
  return SEGMENTED_OR(gelu_erf_segments, x, vnormal_distribution(x)) * vmax((vfloat)(-8.0f), x);
}
CK_VECTOR vfloat CK_NAME(gelu_erf_backward)(vfloat dy, vfloat x, ck_type type) {
  return dy * SEGMENTED_OR(gelu_erf_derivative_segments, x, vgelu_erf_derivative(x));
}
#undef SEGMENTED_OR

// f of elements i ..< last. `streams`: y is aligned to 64 bytes and goes around the caches.
#define GELU_EACH(f, type, streams)                                                                                    \
  for (; i + 2 * CK_LANES <= last; i += 2 * CK_LANES) {                                                                \
    vfloat x[2], dy[2];                                                                                                \
    vload_two(job->x, i, type, x);                                                                                     \
    vload_two(job->dy, i, type, dy);                                                                                   \
    for (size_t k = 0; k < 2; k++) x[k] = f(dy[k], x[k], type);                                                        \
    vstore_two(job->y, i, x, type, streams);                                                                           \
  }
#define GELU(f, suffix, type)                                                                                          \
  static void CK_NAME(f##_##suffix)(const gelu_job *job, size_t i, size_t last) {                                      \
    if (job->streams) GELU_EACH(CK_NAME(f), type, true)                                                                \
    vfence(job->streams);                                                                                              \
    GELU_EACH(CK_NAME(f), type, false)                                                                                 \
    for (size_t n; i < last; i += n) {                                                                                 \
      n = ck_min(last - i, CK_LANES);                                                                                  \
      vfloat x = vload_part_as(job->x, i, n, 0, type), dy = vload_part_as(job->dy, i, n, 0, type);                     \
      vstore_part_as(job->y, i, n, CK_NAME(f)(dy, x, type), type);                                                     \
    }                                                                                                                  \
  }
GELU(gelu_tanh_forward, f32, CK_F32)
GELU(gelu_tanh_forward, bf16, CK_BF16)
GELU(gelu_tanh_backward, f32, CK_F32)
GELU(gelu_tanh_backward, bf16, CK_BF16)
GELU(gelu_erf_forward, f32, CK_F32)
GELU(gelu_erf_forward, bf16, CK_BF16)
GELU(gelu_erf_backward, f32, CK_F32)
GELU(gelu_erf_backward, bf16, CK_BF16)
#undef GELU
#undef GELU_EACH
