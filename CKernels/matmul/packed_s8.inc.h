// Weights to 8 bits with a scale for each row, or for each column. Needs quantize/scale.h first.
#include "vector/math.inc.h"

#include "vector/halves.inc.h"

#include "quantize/rows.inc.h"

static void CK_NAME(quantize_row)(size_t columns, const float *x, int8_t *q, float *scale) {
  CK_NAME(quantize)(columns, x, false, q, scale);
}

// greatest[j] = max(greatest[j], |x[j]|), as bits.
static void CK_NAME(greatest_columns)(size_t columns, const float *x, int32_t *greatest) {
  size_t j = 0;
  for (; j + CK_LANES <= columns; j += CK_LANES) {
    vint known;
    __builtin_memcpy(&known, greatest + j, sizeof known);
    known = __builtin_elementwise_max(known, (vint)vload(x + j) & 0x7fffffff);
    __builtin_memcpy(greatest + j, &known, sizeof known);
  }
  for (; j < columns; j++) {
    int32_t bits;
    __builtin_memcpy(&bits, x + j, sizeof bits);
    bits &= 0x7fffffff;
    greatest[j] = bits > greatest[j] ? bits : greatest[j];
  }
}

// q[j] = x[j] * inverse[j], rounded; 0 where inverse is 0, whatever x is.
CK_VECTOR CK_NAME(ck_vbytes) CK_NAME(nearest_columns)(vfloat x, vfloat inverse) {
  vfloat scaled = x * inverse;
  vint bits = (vint)(scaled + CK_ROUNDER);
  bits &= inverse != 0;
  return __builtin_convertvector(bits, CK_NAME(ck_vbytes));
}
static void CK_NAME(quantize_columns)(size_t columns, const float *x, const float *inverse, int8_t *q) {
  size_t j = 0;
  for (; j + CK_LANES <= columns; j += CK_LANES) {
    CK_NAME(ck_vbytes) bytes = CK_NAME(nearest_columns)(vload(x + j), vload(inverse + j));
    __builtin_memcpy(q + j, &bytes, sizeof bytes);
  }
  if (j < columns) {
    CK_NAME(ck_vbytes)
    bytes = CK_NAME(nearest_columns)(vload_part(x + j, columns - j, 0), vload_part(inverse + j, columns - j, 0));
    __builtin_memcpy(q + j, &bytes, columns - j);
  }
}
