// Drivers of affine quantization: check, split rows into chunks, choose a width.
#include "ck_affine.h"
#include "vector/widths.h"
#include <math.h>

typedef struct affine_row {
  float scale, low, high; // the ends in steps from the zero point
  int32_t zero;
} affine_row;
// `in` is what is converted or the gradient, x the input of a backward pass.
typedef void affine_kernel(const affine_row *row, size_t count, const void *in, const float *x, void *out);
typedef struct affine_job {
  affine_kernel *kernel;
  ck_affine affine;
  size_t columns, rows, chunks; // chunks of each row
  const char *in;
  const float *x;
  char *out;
  size_t in_bytes, out_bytes; // of an element
} affine_job;

#define CK_BODY "affine/body.inc.h"
#include "runtime/each_width.inc.h"

static const ck_variant variants[] = {CK_EACH_WIDTH(CK_WIDTH_VARIANT)};
enum { VARIANTS = sizeof variants / sizeof *variants };
const ck_variant *ck_affine_variants(size_t *count) { return *count = VARIANTS, variants; }

static const struct {
  affine_kernel *quantize, *widen_s8, *widen_u8, *widen_s32, *fake, *straight;
} kernels[] = {
#define X(width)                                                                                                       \
  {affine_quantize_##width,  affine_widen_s8_##width, affine_widen_u8_##width,                                         \
   affine_widen_s32_##width, affine_fake_##width,     affine_straight_##width},
    CK_EACH_WIDTH(X)
#undef X
};

static void chunk(ck_worker *worker, const void *argument, size_t task) {
  const affine_job *j = argument;
  const size_t row = task / j->chunks, first = task % j->chunks * CK_FLAT_CHUNK;
  const size_t count = ck_min(j->columns - first, CK_FLAT_CHUNK), at = row * j->columns + first;
  const int32_t zero = j->affine.scales ? j->affine.zeros[row] : j->affine.zero;
  const affine_row how = {
      .scale = j->affine.scales ? j->affine.scales[row] : j->affine.scale,
      .low = (float)(j->affine.low - zero),
      .high = (float)(j->affine.high - zero),
      .zero = zero,
  };
  j->kernel(&how, count, j->in + at * j->in_bytes, j->x + (j->x ? at : 0), j->out + at * j->out_bytes);
}

static void program(ck_worker *worker, const void *argument) {
  const affine_job *j = argument;
  ck_for(worker, j->rows * j->chunks, chunk, j);
}

static bool is_one(const ck_affine *a, float scale, int32_t zero) {
  return isfinite(scale) && scale > 0 && a->low <= zero && zero <= a->high;
}

// Whether scales and zero points are what the header asks for.
static bool is_affine(ck_affine a, size_t rows) {
  if (a.low < -(1 << 20) || a.high > 1 << 20) return false;
  if (!a.scales) return is_one(&a, a.scale, a.zero);
  if (!a.zeros) return false;
  for (size_t i = 0; i < rows; i++)
    if (!is_one(&a, a.scales[i], a.zeros[i])) return false;
  return true;
}

static size_t bytes_of(ck_type type) { return type == CK_S8 || type == CK_U8 ? 1 : 4; }

static ck_status submit(const ck_context *context, affine_job j) {
  if (ck_product_overflows(j.rows, j.columns)) return CK_BAD_SHAPE;
  if (j.rows == 0 || j.columns == 0) return CK_OK;
  if (!j.affine.scales) { // one long row
    j.columns *= j.rows;
    j.rows = 1;
  }
  j.chunks = ck_ceil_div(j.columns, CK_FLAT_CHUNK);
  return ck_submit(context, program, &j, sizeof j, (ck_needs){.work_ns = (double)j.rows * (double)j.columns * 0.3});
}

ck_status ck_quantize_affine(const ck_context *context, ck_type type, size_t rows, size_t columns, const float *x,
                             ck_affine affine, void *q) {
  const bool holds = type == CK_S8   ? affine.low >= -128 && affine.high <= 127
                     : type == CK_U8 ? affine.low >= 0 && affine.high <= 255
                                     : false;
  if (!holds || !is_affine(affine, rows)) return CK_BAD_ARGUMENT;
  return submit(context, (affine_job){
                             .kernel = kernels[ck_first_allowed(variants, VARIANTS, context)].quantize,
                             .affine = affine,
                             .rows = rows,
                             .columns = columns,
                             .in = (const char *)x,
                             .out = q,
                             .in_bytes = 4,
                             .out_bytes = 1,
                         });
}

ck_status ck_dequantize_affine(const ck_context *context, ck_type type, size_t rows, size_t columns, const void *q,
                               ck_affine affine, float *y) {
  const size_t width = ck_first_allowed(variants, VARIANTS, context);
  affine_kernel *kernel = type == CK_S8    ? kernels[width].widen_s8
                          : type == CK_U8  ? kernels[width].widen_u8
                          : type == CK_S32 ? kernels[width].widen_s32
                                           : NULL;
  affine.low = -(1 << 20);
  affine.high = 1 << 20;
  if (!kernel || !is_affine(affine, rows)) return CK_BAD_ARGUMENT;
  return submit(context, (affine_job){
                             .kernel = kernel,
                             .affine = affine,
                             .rows = rows,
                             .columns = columns,
                             .in = q,
                             .out = (char *)y,
                             .in_bytes = bytes_of(type),
                             .out_bytes = 4,
                         });
}

ck_status ck_fake_quantize(const ck_context *context, size_t rows, size_t columns, const float *x, ck_affine affine,
                           float *y) {
  if (!is_affine(affine, rows)) return CK_BAD_ARGUMENT;
  return submit(context, (affine_job){
                             .kernel = kernels[ck_first_allowed(variants, VARIANTS, context)].fake,
                             .affine = affine,
                             .rows = rows,
                             .columns = columns,
                             .in = (const char *)x,
                             .out = (char *)y,
                             .in_bytes = 4,
                             .out_bytes = 4,
                         });
}

ck_status ck_fake_quantize_backward(const ck_context *context, size_t rows, size_t columns, const float *dy,
                                    const float *x, ck_affine affine, float *dx) {
  if (!is_affine(affine, rows)) return CK_BAD_ARGUMENT;
  return submit(context, (affine_job){
                             .kernel = kernels[ck_first_allowed(variants, VARIANTS, context)].straight,
                             .affine = affine,
                             .rows = rows,
                             .columns = columns,
                             .in = (const char *)dy,
                             .x = x,
                             .out = (char *)dx,
                             .in_bytes = 4,
                             .out_bytes = 4,
                         });
}
