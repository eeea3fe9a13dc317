// A row to 8 bits. See ck_quantize.h for the formulas. Nothing here multiplies and adds in one expression, so that no
// compiler may fuse it: the integers are equal at every width. Needs quantize/scale.h, vector/math.inc.h and
// vector/halves.inc.h first.

typedef int8_t CK_NAME(ck_vbytes) __attribute__((ext_vector_type(CK_LANES)));
typedef int8_t CK_NAME(ck_vbytes4) __attribute__((ext_vector_type(4 * CK_LANES)));
typedef int32_t CK_NAME(ck_vint4) __attribute__((ext_vector_type(4 * CK_LANES)));

// Elements from i on of a row of f32 or bf16; `count` of them, the others 0. The type is known when this is compiled.
CK_VECTOR vfloat CK_NAME(row_part)(const void *x, bool halves, size_t i, size_t count) {
  if (halves) return CK_NAME(ck_load_bf16_part)((const uint16_t *)x + i, count);
  return vload_part((const float *)x + i, count, 0);
}
CK_VECTOR vfloat CK_NAME(row_whole)(const void *x, bool halves, size_t i) {
  return halves ? CK_NAME(ck_load_bf16)((const uint16_t *)x + i) : vload((const float *)x + i);
}

// Bits of the greatest |x|: as integers, finite < infinity < NaN, so one comparison finds all three.
CK_VECTOR int32_t CK_NAME(greatest)(const void *x, bool halves, size_t columns) {
  enum { STEP = 4 * CK_LANES };
  vint greatest[4] = {0, 0, 0, 0};
  size_t i = 0;
  for (; i + STEP <= columns; i += STEP)
    for (size_t k = 0; k < 4; k++) {
      vint bits = (vint)CK_NAME(row_whole)(x, halves, i + k * CK_LANES);
      greatest[k] = __builtin_elementwise_max(greatest[k], bits & 0x7fffffff);
    }
  for (; i < columns; i += CK_LANES) {
    vint bits = (vint)CK_NAME(row_part)(x, halves, i, ck_min(columns - i, CK_LANES));
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
CK_VECTOR CK_NAME(ck_vbytes4) CK_NAME(nearest4)(const void *x, bool halves, size_t i, float inverse) {
  struct {
    vint v[4];
  } all;
  for (size_t k = 0; k < 4; k++) all.v[k] = CK_NAME(nearest)(CK_NAME(row_whole)(x, halves, i + k * CK_LANES), inverse);
  CK_NAME(ck_vint4) wide;
  __builtin_memcpy(&wide, &all, sizeof wide);
  return __builtin_convertvector(wide, CK_NAME(ck_vbytes4));
}

CK_VECTOR void CK_NAME(quantize)(size_t columns, const void *x, bool halves, int8_t *q, float *scale) {
  *scale = ck_quantization_scale(CK_NAME(greatest)(x, halves, columns));
  const float inverse = ck_quantization_inverse(*scale);
  if (inverse == 0) { // not finite, and 0 * infinity is not 0
    __builtin_memset(q, 0, columns);
    return;
  }
  size_t i = 0;
  for (; i + 4 * CK_LANES <= columns; i += 4 * CK_LANES) {
    CK_NAME(ck_vbytes4) bytes = CK_NAME(nearest4)(x, halves, i, inverse);
    __builtin_memcpy(q + i, &bytes, sizeof bytes);
  }
  for (; i + CK_LANES <= columns; i += CK_LANES) {
    vint bits = CK_NAME(nearest)(CK_NAME(row_whole)(x, halves, i), inverse);
    CK_NAME(ck_vbytes) bytes = __builtin_convertvector(bits, CK_NAME(ck_vbytes));
    __builtin_memcpy(q + i, &bytes, sizeof bytes);
  }
  if (i < columns) {
    vint bits = CK_NAME(nearest)(CK_NAME(row_part)(x, halves, i, columns - i), inverse);
    CK_NAME(ck_vbytes) bytes = __builtin_convertvector(bits, CK_NAME(ck_vbytes));
    __builtin_memcpy(q + i, &bytes, columns - i);
  }
}
