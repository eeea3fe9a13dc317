// Rows to 8 bits and back. See ck_quantize.h for the formulas. Nothing here multiplies and adds in one expression, so
// that no compiler may fuse it: the integers are equal at every width.
#include "vector/math.inc.h"

typedef int8_t CK_NAME(ck_vbytes) __attribute__((ext_vector_type(CK_LANES)));
typedef int8_t CK_NAME(ck_vbytes4) __attribute__((ext_vector_type(4 * CK_LANES)));
typedef int32_t CK_NAME(ck_vint4) __attribute__((ext_vector_type(4 * CK_LANES)));

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

// The bits of x * inverse + CK_ROUNDER: the sum rounds half to even, and leaves the integer in the low byte. |x *
// inverse| is below 127.5, since scale is max / 127, rounded, or more.
CK_VECTOR vint CK_NAME(nearest)(vfloat x, float inverse) {
  vfloat scaled = x * inverse;
  return (vint)(scaled + CK_ROUNDER);
}

// Four vectors at a time, so that whole vectors of bytes are stored.
CK_VECTOR CK_NAME(ck_vbytes4) CK_NAME(nearest4)(const float *x, float inverse) {
  vint a = CK_NAME(nearest)(vload(x), inverse), b = CK_NAME(nearest)(vload(x + CK_LANES), inverse);
  vint c = CK_NAME(nearest)(vload(x + 2 * CK_LANES), inverse), d = CK_NAME(nearest)(vload(x + 3 * CK_LANES), inverse);
  struct {
    vint v[4];
  } all = {{a, b, c, d}};
  CK_NAME(ck_vint4) wide;
  __builtin_memcpy(&wide, &all, sizeof wide);
  return __builtin_convertvector(wide, CK_NAME(ck_vbytes4));
}

static void CK_NAME(quantize_row)(size_t columns, const float *x, int8_t *q, float *scale) {
  *scale = ck_quantization_scale(CK_NAME(greatest)(x, columns));
  const float inverse = ck_quantization_inverse(*scale);
  if (inverse == 0) { // not finite, and 0 * infinity is not 0
    __builtin_memset(q, 0, columns);
    return;
  }
  size_t i = 0;
  for (; i + 4 * CK_LANES <= columns; i += 4 * CK_LANES) {
    CK_NAME(ck_vbytes4) bytes = CK_NAME(nearest4)(x + i, inverse);
    __builtin_memcpy(q + i, &bytes, sizeof bytes);
  }
  for (; i + CK_LANES <= columns; i += CK_LANES) {
    vint bits = CK_NAME(nearest)(vload(x + i), inverse);
    CK_NAME(ck_vbytes) bytes = __builtin_convertvector(bits, CK_NAME(ck_vbytes));
    __builtin_memcpy(q + i, &bytes, sizeof bytes);
  }
  if (i < columns) {
    vint bits = CK_NAME(nearest)(vload_part(x + i, columns - i, 0), inverse);
    CK_NAME(ck_vbytes) bytes = __builtin_convertvector(bits, CK_NAME(ck_vbytes));
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
