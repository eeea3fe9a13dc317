// Driver of the quantization of rows: checks, splits into groups of rows, chooses a width.
#include "ck_quantize.h"
#include "quantize/scale.h" // before any region with a target of its own
#include "vector/widths.h"

#define CK_BODY "quantize/body.inc.h"
#include "runtime/each_width.inc.h"

static const ck_variant variants[] = {CK_EACH_WIDTH(CK_WIDTH_VARIANT)};
enum { VARIANTS = sizeof variants / sizeof *variants };
typedef void quantize_row(size_t columns, const void *x, int8_t *q, float *scale);
typedef void dequantize_row(size_t columns, const int8_t *q, float scale, float *y);
static const struct {
  quantize_row *quantize[2]; // of f32, of bf16
  dequantize_row *dequantize;
} kernels[] = {
#define X(width) {{quantize_row_##width, quantize_row_bf16_##width}, dequantize_row_##width},
    CK_EACH_WIDTH(X)
#undef X
};

const ck_variant *ck_quantize_variants(size_t *count) {
  *count = VARIANTS;
  return variants;
}

typedef struct {
  quantize_row *quantize;     // or
  dequantize_row *dequantize; // the other is NULL
  size_t rows, columns, rows_per_task;
  const char *x;
  size_t row_bytes; // of x
  int8_t *q;
  float *scale;
  const int8_t *bytes;
  const float *scales;
  float *y;
} job;

static void some_rows(ck_worker *worker, const void *argument, size_t task) {
  const job *j = argument;
  size_t from = task * j->rows_per_task, to = ck_min(from + j->rows_per_task, j->rows), n = j->columns;
  for (size_t i = from; i < to; i++)
    if (j->quantize)
      j->quantize(n, j->x + i * j->row_bytes, j->q + i * n, j->scale + i);
    else
      j->dequantize(n, j->bytes + i * n, j->scales[i], j->y + i * n);
}

static void all_rows(ck_worker *worker, const void *argument) {
  const job *j = argument;
  ck_for(worker, ck_ceil_div(j->rows, j->rows_per_task), some_rows, j);
}

static ck_status submit(const ck_context *context, job j) {
  size_t elements;
  if (__builtin_mul_overflow(j.rows, j.columns, &elements)) return CK_BAD_SHAPE;
  if (j.rows == 0) return CK_OK;
  j.rows_per_task = ck_max(1, 16384 / ck_max(j.columns, 1));
  return ck_submit(context, all_rows, &j, sizeof j, (ck_needs){.work_ns = 0.6 * (double)elements});
}

ck_status ck_quantize_rows_s8(const ck_context *context, ck_type type, size_t rows, size_t columns, const void *x,
                              int8_t *q, float *scale) {
  if (type != CK_F32 && type != CK_BF16) return CK_BAD_ARGUMENT;
  job j = {.rows = rows, .columns = columns, .x = x, .q = q, .scale = scale};
  j.quantize = kernels[ck_first_allowed(variants, VARIANTS, context)].quantize[type == CK_BF16];
  j.row_bytes = columns * (type == CK_BF16 ? 2 : 4);
  return submit(context, j);
}

ck_status ck_dequantize_rows_s8_f32(const ck_context *context, size_t rows, size_t columns, const int8_t *q,
                                    const float *scale, float *y) {
  job j = {.rows = rows, .columns = columns, .bytes = q, .scales = scale, .y = y};
  j.dequantize = kernels[ck_first_allowed(variants, VARIANTS, context)].dequantize;
  return submit(context, j);
}
