// Rows to 8 bits and back.
#include "vector/math.inc.h"

#include "vector/halves.inc.h"

#include "quantize/rows.inc.h"

static void CK_NAME(quantize_row)(size_t columns, const void *x, int8_t *q, float *scale) {
  CK_NAME(quantize)(columns, x, false, q, scale);
}
static void CK_NAME(quantize_row_bf16)(size_t columns, const void *x, int8_t *q, float *scale) {
  CK_NAME(quantize)(columns, x, true, q, scale);
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
