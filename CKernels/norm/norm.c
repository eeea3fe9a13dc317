#include "ck_norm.h"
#include "vector/widths.h"
#include <string.h>

typedef struct norm_job norm_job;
typedef struct norm_kernels {
  void (*rows)(const norm_job *job, size_t first, size_t last);
  void (*chunk_backward)(const norm_job *job, size_t first, size_t last, float *dgain, float *dbias);
  void (*tree)(float *partials, size_t chunks, size_t stride, size_t first, size_t last, float *y);
} norm_kernels;
struct norm_job {
  const norm_kernels *kernels;
  size_t rows, columns;
  size_t block, blocks; // rows of one task: a block going forward, a chunk of the column sums going backward
  float epsilon;
  const float *x, *gain, *bias, *dy, *mean, *inverse;
  float *y, *mean_out, *inverse_out; // y is dx in the backward pass
  float *dgain, *dbias;
};

#define CK_BODY "norm/body.inc.h"
#include "runtime/each_width.inc.h"

static const ck_variant variants[] = {CK_EACH_WIDTH(CK_WIDTH_VARIANT)};
enum { VARIANTS = sizeof variants / sizeof variants[0] };
const ck_variant *ck_norm_variants(size_t *count) { return *count = VARIANTS, variants; }

#define KERNELS(width) {norm_rows_##width, norm_chunk_backward_##width, norm_tree_##width},
static const norm_kernels kernels[] = {CK_EACH_WIDTH(KERNELS)};

static void block(ck_worker *worker, const void *argument, size_t task) {
  const norm_job *job = argument;
  job->kernels->rows(job, task * job->block, ck_min((task + 1) * job->block, job->rows));
}

static void program(ck_worker *worker, const void *argument) {
  const norm_job *job = argument;
  ck_for(worker, job->blocks, block, job);
}

// Shared scratch: for each chunk its dgain, then its dbias.
static void chunk_backward(ck_worker *worker, const void *argument, size_t task) {
  const norm_job *job = argument;
  float *sums = (float *)ck_shared_scratch(worker) + task * 2 * job->columns;
  memset(sums, 0, 2 * job->columns * sizeof *sums);
  size_t first = task * job->block, last = ck_min(first + job->block, job->rows);
  job->kernels->chunk_backward(job, first, last, sums, sums + job->columns);
}

static void tree(ck_worker *worker, const void *argument, size_t task) {
  const norm_job *job = argument;
  float *sums = ck_shared_scratch(worker);
  size_t first = task * CK_COLUMN_BLOCK, last = ck_min(first + CK_COLUMN_BLOCK, job->columns);
  job->kernels->tree(sums, job->blocks, 2 * job->columns, first, last, job->dgain);
  job->kernels->tree(sums + job->columns, job->blocks, 2 * job->columns, first, last, job->dbias);
}

static void program_backward(ck_worker *worker, const void *argument) {
  const norm_job *job = argument;
  ck_for(worker, job->blocks, chunk_backward, job);
  ck_for(worker, ck_ceil_div(job->columns, CK_COLUMN_BLOCK), tree, job);
}

static const norm_kernels *choose(const ck_context *context) {
  return &kernels[ck_first_allowed(variants, VARIANTS, context)];
}

ck_status ck_layernorm_f32(const ck_context *context, size_t rows, size_t columns, float epsilon, const float *x,
                           const float *gain, const float *bias, float *y, float *mean, float *inverse_deviation) {
  if (columns == 0 || ck_product_overflows(rows, columns)) return CK_BAD_SHAPE;
  if (!(epsilon >= 0)) return CK_BAD_ARGUMENT;
  if (rows == 0) return CK_OK;
  norm_job job = {
      .kernels = choose(context),
      .rows = rows,
      .columns = columns,
      .block = ck_block_rows(columns),
      .blocks = ck_ceil_div(rows, ck_block_rows(columns)),
      .epsilon = epsilon,
      .x = x,
      .gain = gain,
      .bias = bias,
      .y = y,
      .mean_out = mean,
      .inverse_out = inverse_deviation,
  };
  double work = (double)rows * (20 + 0.2 * (double)columns);
  return ck_submit(context, program, &job, sizeof job, (ck_needs){.work_ns = work});
}

ck_status ck_layernorm_backward_f32(const ck_context *context, size_t rows, size_t columns, const float *dy,
                                    const float *x, const float *gain, const float *mean,
                                    const float *inverse_deviation, float *dx, float *dgain, float *dbias) {
  if (columns == 0 || ck_product_overflows(rows, columns)) return CK_BAD_SHAPE;
  if (rows == 0) return CK_OK;
  norm_job job = {
      .kernels = choose(context),
      .rows = rows,
      .columns = columns,
      .block = ck_chunk_rows(rows),
      .blocks = ck_ceil_div(rows, ck_chunk_rows(rows)),
      .x = x,
      .gain = gain,
      .dy = dy,
      .mean = mean,
      .inverse = inverse_deviation,
      .y = dx,
      .dgain = dgain,
      .dbias = dbias,
  };
  ck_needs needs = {
      .shared_bytes = job.blocks * 2 * columns * sizeof(float),
      .work_ns = (double)rows * (20 + 0.4 * (double)columns),
  };
  return ck_submit(context, program_backward, &job, sizeof job, needs);
}
