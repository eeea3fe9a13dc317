// See ck_affine.h. Nothing here multiplies and adds in one expression, so that no compiler may fuse it.
#include "vector/math.inc.h"

typedef int8_t CK_NAME(affine_bytes) __attribute__((ext_vector_type(CK_LANES)));
typedef uint8_t CK_NAME(affine_ubytes) __attribute__((ext_vector_type(CK_LANES)));

// round(clamp(x / scale)): q - Z. The bounds are integers, so that clamping first rounds to the same.
CK_VECTOR vint CK_NAME(affine_steps)(vfloat x, const affine_row *row) {
  vfloat steps = x / row->scale;
  steps = steps < row->low ? (vfloat)(row->low) : steps;
  steps = steps > row->high ? (vfloat)(row->high) : steps;
  steps = steps == steps ? steps : (vfloat)(0.0f);
  // The sum has a last place of 1: it rounds, and leaves the integer in its low bits.
  const vfloat shifted = steps + 12582912.0f;
  return (vint)shifted - 0x4b400000;
}

static void CK_NAME(affine_quantize)(const affine_row *row, size_t count, const void *in, const float *unused,
                                     void *out) {
  const float *x = in;
  int8_t *q = out;
  size_t i = 0;
  for (; i + CK_LANES <= count; i += CK_LANES) {
    // The low byte is that of a signed and of an unsigned integer.
    const vint levels = CK_NAME(affine_steps)(vload(x + i), row) + row->zero;
    const CK_NAME(affine_bytes) bytes = __builtin_convertvector(levels, CK_NAME(affine_bytes));
    __builtin_memcpy(q + i, &bytes, sizeof bytes);
  }
  if (i < count) {
    const vint levels = CK_NAME(affine_steps)(vload_part(x + i, count - i, 0), row) + row->zero;
    const CK_NAME(affine_bytes) bytes = __builtin_convertvector(levels, CK_NAME(affine_bytes));
    __builtin_memcpy(q + i, &bytes, count - i);
  }
}

static void CK_NAME(affine_widen_s8)(const affine_row *row, size_t count, const void *in, const float *unused,
                                     void *out) {
  const int8_t *q = in;
  float *y = out;
  for (size_t i = 0; i < count; i++) y[i] = (float)(q[i] - row->zero) * row->scale;
}

static void CK_NAME(affine_widen_u8)(const affine_row *row, size_t count, const void *in, const float *unused,
                                     void *out) {
  const uint8_t *q = in;
  float *y = out;
  for (size_t i = 0; i < count; i++) y[i] = (float)(q[i] - row->zero) * row->scale;
}

static void CK_NAME(affine_widen_s32)(const affine_row *row, size_t count, const void *in, const float *unused,
                                      void *out) {
  const int32_t *q = in;
  float *y = out;
  for (size_t i = 0; i < count; i++) y[i] = (float)((int64_t)q[i] - row->zero) * row->scale;
}

static void CK_NAME(affine_fake)(const affine_row *row, size_t count, const void *in, const float *unused, void *out) {
  const float *x = in;
  float *y = out;
  size_t i = 0;
  for (; i + CK_LANES <= count; i += CK_LANES) {
    const vint steps = CK_NAME(affine_steps)(vload(x + i), row);
    vstore(y + i, __builtin_convertvector(steps, vfloat) * row->scale);
  }
  if (i < count) {
    const vint steps = CK_NAME(affine_steps)(vload_part(x + i, count - i, 0), row);
    vstore_part(y + i, count - i, __builtin_convertvector(steps, vfloat) * row->scale);
  }
}

static void CK_NAME(affine_straight)(const affine_row *row, size_t count, const void *in, const float *x, void *out) {
  const float *dy = in;
  float *dx = out;
  for (size_t i = 0; i < count; i++) {
    const float steps = x[i] / row->scale;
    const bool inside = steps >= row->low && steps <= row->high;
    dx[i] = inside ? dy[i] : 0;
  }
}
