// Rows to 8 bits and back. See ck_quantize.h for the formulas. Nothing here multiplies and adds in one expression, so
// that no compiler may fuse it: the integers are equal at every width.
#include "vector/math.inc.h"

typedef int8_t CK_NAME(ck_vbytes) __attribute__((ext_vector_type(CK_LANES)));

// Bits of the greatest |x|: as integers, finite < infinity < NaN, so one comparison finds all three.
CK_VECTOR int32_t CK_NAME(greatest)(const float *x, size_t columns) {
  enum { STEP = 4 * CK_LANES };
  vint greatest[4] = {0, 0, 0, 0};
  size_t i = 0;
  for (; i + STEP <= columns; i += STEP)
    for (int k = 0; k < 4; k++)
      greatest[k] = __builtin_elementwise_max(greatest[k], (vint)vload(x + i + (size_t)k * CK_LANES) & 0x7fffffff);
  for (; i < columns; i += CK_LANES) {
    vint bits = (vint)vload_part(x + i, ck_min(columns - i, CK_LANES), 0);
    greatest[0] = __builtin_elementwise_max(greatest[0], bits & 0x7fffffff);
  }
  vint all = __builtin_elementwise_max(__builtin_elementwise_max(greatest[0], greatest[1]),
                                       __builtin_elementwise_max(greatest[2], greatest[3]));
  return __builtin_reduce_max(all);
}

CK_VECTOR CK_NAME(ck_vbytes) CK_NAME(nearest)(vfloat x, float scale) {
  vfloat q = x / scale;
  q = vmin((vfloat)(127.0f), vmax((vfloat)(-127.0f), q));
  // Adding CK_ROUNDER rounds half to even, and leaves the integer in the low bits.
  vint bits = (vint)(q + CK_ROUNDER);
  return __builtin_convertvector(bits, CK_NAME(ck_vbytes));
}

static void CK_NAME(quantize_row)(size_t columns, const float *x, int8_t *q, float *scale) {
  int32_t bits = CK_NAME(greatest)(x, columns);
  if (bits >= 0x7f800000) {
    *scale = __builtin_nanf("");
    __builtin_memset(q, 0, columns);
    return;
  }
  float greatest;
  __builtin_memcpy(&greatest, &bits, sizeof greatest);
  float s = greatest / 127.0f;
  if (s == 0) {
    *scale = 1;
    __builtin_memset(q, 0, columns);
    return;
  }
  *scale = s;
  size_t i = 0;
  for (; i + CK_LANES <= columns; i += CK_LANES) {
    CK_NAME(ck_vbytes) bytes = CK_NAME(nearest)(vload(x + i), s);
    __builtin_memcpy(q + i, &bytes, sizeof bytes);
  }
  if (i < columns) {
    CK_NAME(ck_vbytes) bytes = CK_NAME(nearest)(vload_part(x + i, columns - i, 0), s);
    __builtin_memcpy(q + i, &bytes, columns - i);
  }
}

static void CK_NAME(dequantize_row)(size_t columns, const int8_t *q, float scale, float *y) {
  size_t i = 0;
  for (; i + CK_LANES <= columns; i += CK_LANES) {
    CK_NAME(ck_vbytes) bytes;
    __builtin_memcpy(&bytes, q + i, sizeof bytes);
    vstore(y + i, __builtin_convertvector(bytes, vfloat) * scale);
  }
  for (; i < columns; i++) y[i] = (float)q[i] * scale;
}
