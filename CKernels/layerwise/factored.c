// Drivers of the factored second moment.
#include "ck_layerwise.h"
#include "step/step.h"
#include <string.h>

#define CK_BODY "layerwise/factored.inc.h"
#include "runtime/each_width.inc.h"

static const ck_variant variants[] = {CK_EACH_WIDTH(CK_WIDTH_VARIANT)};
enum { VARIANTS = sizeof variants / sizeof *variants };
typedef struct {
  void (*rows)(const float *g, float scale, size_t rows, size_t columns, float decay, float rest, float epsilon,
               float *row, float *sums);
  void (*columns)(float *partials, size_t chunks, size_t rows, size_t columns, size_t first, size_t last, float decay,
                  float rest, float epsilon, float *sums, float *column);
  void (*direction)(const float *g, float of_row, const float *column, size_t columns, float *u);
} kernel_set;
static const kernel_set kernels[] = {
#define X(width) {moments_of_rows_##width, moments_of_columns_##width, factored_row_##width},
    CK_EACH_WIDTH(X)
#undef X
};

typedef struct {
  const kernel_set *kernels;
  size_t rows, columns, chunk_rows, chunks;
  const float *g;
  float *row, *column, *u;
  const float *row_in, *column_in;
  const double *mean_in;
  double *mean_row;
  float decay, rest, epsilon;
  ck_step_gradient gradient;
} job;

static void rows_task(ck_worker *worker, const void *argument, size_t task) {
  const job *j = argument;
  float scale;
  if (!ck_step_scale(&j->gradient, &scale)) return;
  float *sums = (float *)ck_shared_scratch(worker) + task * j->columns;
  memset(sums, 0, j->columns * sizeof *sums);
  const size_t first = task * j->chunk_rows, rows = ck_min(j->chunk_rows, j->rows - first);
  j->kernels->rows(j->g + first * j->columns, scale, rows, j->columns, j->decay, j->rest, j->epsilon, j->row + first,
                   sums);
}

static void columns_task(ck_worker *worker, const void *argument, size_t task) {
  const job *j = argument;
  float scale;
  if (!ck_step_scale(&j->gradient, &scale)) return;
  const size_t first = task * CK_COLUMN_BLOCK, last = ck_min(first + CK_COLUMN_BLOCK, j->columns);
  float *partials = ck_shared_scratch(worker), *sums = partials + j->chunks * j->columns;
  j->kernels->columns(partials, j->chunks, j->rows, j->columns, first, last, j->decay, j->rest, j->epsilon, sums,
                      j->column);
}

static void moments_program(ck_worker *worker, const void *argument) {
  const job *j = argument;
  ck_for(worker, j->chunks, rows_task, j);
  if (ck_worker_index(worker) == 0) {
    double sum = 0;
    for (size_t i = 0; i < j->rows; i++) sum += (double)j->row[i];
    *j->mean_row = sum / (double)j->rows;
  }
  ck_for(worker, ck_ceil_div(j->columns, CK_COLUMN_BLOCK), columns_task, j);
}

static job make_job(const ck_context *context, size_t rows, size_t columns, const float *g, ck_step_gradient gradient) {
  const size_t chunk_rows = ck_chunk_rows(rows);
  return (job){.kernels = &kernels[ck_first_allowed(variants, VARIANTS, context)],
               .rows = rows,
               .columns = columns,
               .chunk_rows = chunk_rows,
               .chunks = ck_ceil_div(rows, chunk_rows),
               .g = g,
               .gradient = gradient};
}

ck_status ck_factored_moments(const ck_context *context, size_t rows, size_t columns, const float *g, float *row,
                              float *column, double *mean_row, double decay, double epsilon,
                              ck_step_gradient gradient) {
  if (!(decay >= 0 && decay < 1 && (float)epsilon > 0)) return CK_BAD_ARGUMENT;
  if (gradient.norm && !(gradient.limit > 0)) return CK_BAD_ARGUMENT;
  if (ck_product_overflows(rows, columns)) return CK_BAD_SHAPE;
  if (rows == 0 || columns == 0) return CK_OK;
  job j = make_job(context, rows, columns, g, gradient);
  j.row = row;
  j.column = column;
  j.mean_row = mean_row;
  j.decay = (float)decay;
  j.rest = (float)(1 - decay);
  j.epsilon = (float)epsilon;
  ck_needs needs = {.shared_bytes = (j.chunks + 1) * columns * sizeof(float),
                    .work_ns = 0.3 * (double)(rows * columns)};
  return ck_submit(context, moments_program, &j, sizeof j, needs);
}

static void direction_task(ck_worker *worker, const void *argument, size_t task) {
  const job *j = argument;
  float scale;
  if (!ck_step_scale(&j->gradient, &scale)) return;
  const size_t first = task * j->chunk_rows, end = ck_min(first + j->chunk_rows, j->rows), n = j->columns;
  for (size_t i = first; i < end; i++) {
    const double of_row = (double)scale * __builtin_sqrt(*j->mean_in / (double)j->row_in[i]);
    j->kernels->direction(j->g + i * n, (float)of_row, j->column_in, n, j->u + i * n);
  }
}

static void direction_program(ck_worker *worker, const void *argument) {
  const job *j = argument;
  ck_for(worker, j->chunks, direction_task, j);
}

ck_status ck_factored_direction(const ck_context *context, size_t rows, size_t columns, const float *g,
                                const float *row, const float *column, const double *mean_row, float *u,
                                ck_step_gradient gradient) {
  if (gradient.norm && !(gradient.limit > 0)) return CK_BAD_ARGUMENT;
  if (ck_product_overflows(rows, columns)) return CK_BAD_SHAPE;
  if (rows == 0 || columns == 0) return CK_OK;
  job j = make_job(context, rows, columns, g, gradient);
  j.chunk_rows = ck_block_rows(columns);
  j.chunks = ck_ceil_div(rows, j.chunk_rows);
  j.row_in = row;
  j.column_in = column;
  j.mean_in = mean_row;
  j.u = u;
  return ck_submit(context, direction_program, &j, sizeof j, (ck_needs){.work_ns = 0.5 * (double)(rows * columns)});
}
