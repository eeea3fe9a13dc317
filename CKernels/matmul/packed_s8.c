// Packed s8 weights from f32 ones, with scales of their own: the greatest magnitude of each row or column, then
// quantizing and packing, panel by panel. Magnitudes are compared as integers, so that no order of it matters.
#include "matmul/packed.h"
#include "quantize/scale.h" // before any region with a target of its own
#include "vector/widths.h"

#define CK_BODY "matmul/packed_s8.inc.h"
#include "runtime/each_width.inc.h"

static const ck_variant variants[] = {CK_EACH_WIDTH(CK_WIDTH_VARIANT)};
enum { VARIANTS = sizeof variants / sizeof *variants };
typedef struct {
  void (*quantize_row)(size_t columns, const float *x, int8_t *q, float *scale);
  void (*greatest_columns)(size_t columns, const float *x, int32_t *greatest);
  void (*quantize_columns)(size_t columns, const float *x, const float *inverse, int8_t *q);
} kernel_set;
static const kernel_set kernels[] = {
#define X(width) {quantize_row_##width, greatest_columns_##width, quantize_columns_##width},
    CK_EACH_WIDTH(X)
#undef X
};

// STRIP_COLUMNS: columns of weights that a task of the backward form reads together, whole lines of every row.
// MOST_BLOCKS: of rows, each of which has magnitudes of all columns.
enum { STRIP_COLUMNS = 128, MOST_BLOCKS = 64 };

// One packed form.
typedef struct {
  const ck_matmul_kernel *kernel; // NULL: none
  char *panels;
  float *scales;
  size_t panel_bytes;
} form;

typedef struct {
  const kernel_set *set;
  const float *w;
  size_t rows, columns;
  form forward, backward;
  size_t block_rows, blocks;    // whole panels of the forward form
  size_t strip_columns, strips; // whole panels of the backward one
} job;

static void pack(const form *form, const ck_matmul_source *source, size_t panel, size_t first, size_t count,
                 size_t depth) {
  const ck_matmul_kernel *kernel = form->kernel;
  char *to = form->panels + panel * form->panel_bytes;
  kernel->pack_b(to, kernel->b_extra ? to + ck_matmul_units(kernel, depth) * kernel->unit_bytes : NULL, source, first,
                 count, 0, depth);
}

// A block of rows: magnitudes of its columns for the backward form, and all of the forward one.
static void block_task(ck_worker *worker, const void *argument, size_t task) {
  const job *j = argument;
  const size_t first = task * j->block_rows, end = ck_min(first + j->block_rows, j->rows), columns = j->columns;
  int32_t *greatest = (int32_t *)ck_shared_scratch(worker) + task * columns;
  if (j->backward.kernel) __builtin_memset(greatest, 0, columns * sizeof *greatest);
  int8_t *strip = ck_worker_scratch(worker);
  const size_t step = j->forward.kernel ? j->forward.kernel->nr : j->block_rows;
  for (size_t row = first; row < end; row += step) {
    const size_t rows = ck_min(step, end - row);
    for (size_t r = 0; r < rows; r++) {
      const float *w = j->w + (row + r) * columns;
      if (j->backward.kernel) j->set->greatest_columns(columns, w, greatest);
      if (j->forward.kernel) j->set->quantize_row(columns, w, strip + r * columns, j->forward.scales + row + r);
    }
    const ck_matmul_source source = {.data = (const char *)strip, .stride = columns, .k_stride = 1};
    if (j->forward.kernel) pack(&j->forward, &source, row / step, 0, rows, columns);
  }
}

// A strip of columns: their scales, and panels of the backward form.
static void strip_task(ck_worker *worker, const void *argument, size_t task) {
  const job *j = argument;
  const size_t first = task * j->strip_columns, columns = ck_min(j->strip_columns, j->columns - first);
  const int32_t *partial = (const int32_t *)ck_shared_scratch(worker) + first;
  int32_t greatest[256]; // nr is a byte
  float inverse[256];
  __builtin_memcpy(greatest, partial, columns * sizeof *greatest);
  for (size_t b = 1; b < j->blocks; b++)
    for (size_t c = 0; c < columns; c++) {
      const int32_t bits = partial[b * j->columns + c];
      greatest[c] = bits > greatest[c] ? bits : greatest[c];
    }
  for (size_t c = 0; c < columns; c++) {
    const float scale = ck_quantization_scale(greatest[c]);
    j->backward.scales[first + c] = scale;
    inverse[c] = ck_quantization_inverse(scale);
  }
  int8_t *strip = ck_worker_scratch(worker);
  for (size_t r = 0; r < j->rows; r++)
    j->set->quantize_columns(columns, j->w + r * j->columns + first, inverse, strip + r * j->strip_columns);
  const ck_matmul_source source = {.data = (const char *)strip, .stride = 1, .k_stride = j->strip_columns};
  const size_t nr = j->backward.kernel->nr;
  for (size_t c = 0; c < columns; c += nr)
    pack(&j->backward, &source, (first + c) / nr, c, ck_min(nr, columns - c), j->rows);
}

static void program(ck_worker *worker, const void *argument) {
  const job *j = argument;
  ck_for_parts(worker, j->blocks, block_task, j);
  if (j->backward.kernel) ck_for_parts(worker, j->strips, strip_task, j);
}

static ck_status set_form(form *form, const ck_context *context, const ck_packed *packed) {
  if (!packed) return CK_OK;
  if (packed->needs & ~ck_context_isa(context)) return CK_NO_KERNEL;
  if (packed->product != CK_PRODUCT_S8 || !packed->column_scales || packed->form != CK_FORM_DENSE)
    return CK_BAD_ARGUMENT;
  form->kernel = packed->kernel;
  form->panels = ck_placed_start(packed->panels);
  form->scales = packed->column_scales;
  form->panel_bytes = ck_matmul_panel_bytes(packed->kernel, packed->k);
  return CK_OK;
}

ck_status ck_packed_requantize(const ck_context *context, ck_packed *forward, ck_packed *backward, const float *w) {
  job j = {.w = w, .rows = forward ? forward->n : backward->k, .columns = forward ? forward->k : backward->n};
  if (forward && backward && (backward->k != j.rows || backward->n != j.columns)) return CK_BAD_SHAPE;
  if (forward == backward) return CK_BAD_ARGUMENT;
  ck_status status = set_form(&j.forward, context, forward);
  if (status == CK_OK) status = set_form(&j.backward, context, backward);
  if (status != CK_OK) return status;
  if (j.rows == 0 || j.columns == 0) return CK_OK;
  if (!w) return CK_BAD_ARGUMENT;
  j.set = &kernels[ck_first_allowed(variants, VARIANTS, context)];
  const size_t height = j.forward.kernel ? j.forward.kernel->nr : 32;
  j.block_rows = ck_max(1, ck_ceil_div(ck_ceil_div(j.rows, height), MOST_BLOCKS)) * height;
  j.blocks = ck_ceil_div(j.rows, j.block_rows);
  ck_needs needs = {.work_ns = 0.25 * (double)j.rows * (double)j.columns * (!!forward + !!backward)};
  if (forward) needs.worker_bytes = height * j.columns;
  if (backward) {
    const size_t nr = j.backward.kernel->nr;
    j.strip_columns = ck_max(nr, STRIP_COLUMNS / nr * nr);
    j.strips = ck_ceil_div(j.columns, j.strip_columns);
    needs.worker_bytes = ck_max(needs.worker_bytes, j.rows * j.strip_columns);
    needs.shared_bytes = j.blocks * j.columns * sizeof(int32_t);
  }
  status = ck_submit(context, program, &j, sizeof j, needs);
  if (status == CK_OK && forward) status = ck_placed_replicate(context, forward->panels);
  return status == CK_OK && backward ? ck_placed_replicate(context, backward->panels) : status;
}
