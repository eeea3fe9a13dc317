// Drivers of dropout by units: check, split, choose a width.
#include "ck_unitdropout.h"
#include "random/philox.h"
#include "vector/widths.h"
#include <string.h>

#define CK_BODY "unitdropout/body.inc.h"
#include "runtime/each_width.inc.h"

static const ck_variant variants[] = {CK_EACH_WIDTH(CK_WIDTH_VARIANT)};
enum { VARIANTS = sizeof variants / sizeof *variants };
typedef struct {
  void (*drop)(const ck_philox *philox, uint64_t block, size_t column, size_t columns, const uint16_t *thresholds,
               const float *scales, size_t count, const float *x, float *y);
  void (*scale)(const float *x, const float *scales, size_t rows, size_t columns, float *y);
  uint16_t (*half_of)(const ck_philox *philox, uint64_t element);
  void (*scale_row)(const float *x, float scale, size_t count, float *y);
} kernel_set;
static const kernel_set kernels[] = {
#define X(width) {drop_units_##width, scale_columns_##width, half_of_##width, scale_row_##width},
    CK_EACH_WIDTH(X)
#undef X
};

const ck_variant *ck_unitdropout_variants(size_t *count) {
  *count = VARIANTS;
  return variants;
}

typedef struct {
  const kernel_set *kernels;
  ck_philox philox;
  uint64_t block;
  size_t rows, columns, block_rows;
  const uint16_t *thresholds;
  const float *scales, *x;
  float *y, scale;
  uint16_t threshold;
} job;
enum { SPAN = 32768 }; // elements of a task: whole blocks

static void drop_task(ck_worker *worker, const void *argument, size_t task) {
  const job *j = argument;
  const size_t from = task * SPAN, count = ck_min(SPAN, j->rows * j->columns - from);
  j->kernels->drop(&j->philox, j->block + from / 8, from % j->columns, j->columns, j->thresholds, j->scales, count,
                   j->x + from, j->y + from);
}

static void drop_program(ck_worker *worker, const void *argument) {
  const job *j = argument;
  ck_for(worker, ck_ceil_div(j->rows * j->columns, SPAN), drop_task, j);
}

ck_status ck_unit_dropout_f32(const ck_context *context, uint64_t seed, uint64_t stream, uint64_t first, size_t rows,
                              size_t columns, const uint16_t *thresholds, const float *scales, const float *x,
                              float *y) {
  if (ck_product_overflows(rows, columns)) return CK_BAD_SHAPE;
  if (first % 8 != 0 || first + rows * columns < first) return CK_BAD_ARGUMENT;
  if (rows == 0 || columns == 0) return CK_OK;
  job j = {.kernels = &kernels[ck_first_allowed(variants, VARIANTS, context)],
           .philox = ck_philox_schedule(seed, stream),
           .block = first / 8,
           .rows = rows,
           .columns = columns,
           .thresholds = thresholds,
           .scales = scales,
           .x = x,
           .y = y};
  return ck_submit(context, drop_program, &j, sizeof j, (ck_needs){.work_ns = 0.6 * (double)(rows * columns)});
}

static void scale_task(ck_worker *worker, const void *argument, size_t task) {
  const job *j = argument;
  const size_t row = task * j->block_rows, at = row * j->columns;
  j->kernels->scale(j->x + at, j->scales, ck_min(j->block_rows, j->rows - row), j->columns, j->y + at);
}

static void scale_program(ck_worker *worker, const void *argument) {
  const job *j = argument;
  ck_for(worker, ck_ceil_div(j->rows, j->block_rows), scale_task, j);
}

ck_status ck_scale_columns_f32(const ck_context *context, size_t rows, size_t columns, const float *scales,
                               const float *x, float *y) {
  if (ck_product_overflows(rows, columns)) return CK_BAD_SHAPE;
  if (rows == 0 || columns == 0) return CK_OK;
  job j = {.kernels = &kernels[ck_first_allowed(variants, VARIANTS, context)],
           .rows = rows,
           .columns = columns,
           .block_rows = ck_block_rows(columns),
           .scales = scales,
           .x = x,
           .y = y};
  return ck_submit(context, scale_program, &j, sizeof j, (ck_needs){.work_ns = 0.25 * (double)(rows * columns)});
}

static void row_task(ck_worker *worker, const void *argument, size_t task) {
  const job *j = argument;
  const size_t at = task * j->columns;
  if (j->kernels->half_of(&j->philox, task) >= j->threshold)
    j->kernels->scale_row(j->x + at, j->scale, j->columns, j->y + at);
  else
    memset(j->y + at, 0, j->columns * sizeof(float));
}

static void row_program(ck_worker *worker, const void *argument) {
  const job *j = argument;
  ck_for(worker, j->rows, row_task, j);
}

ck_status ck_drop_rows_f32(const ck_context *context, uint64_t seed, uint64_t stream, size_t rows, size_t columns,
                           uint16_t threshold, float scale, const float *x, float *y) {
  if (ck_product_overflows(rows, columns)) return CK_BAD_SHAPE;
  if (rows == 0 || columns == 0) return CK_OK;
  job j = {.kernels = &kernels[ck_first_allowed(variants, VARIANTS, context)],
           .philox = ck_philox_schedule(seed, stream),
           .rows = rows,
           .columns = columns,
           .threshold = threshold,
           .scale = scale,
           .x = x,
           .y = y};
  return ck_submit(context, row_program, &j, sizeof j, (ck_needs){.work_ns = 0.25 * (double)(rows * columns)});
}
