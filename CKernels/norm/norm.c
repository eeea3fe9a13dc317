// Drivers of the norms: check, choose the width and the constants, split by rows.
#include "ck_norm.h"
#include "vector/widths.h"
#include <string.h>

typedef struct norm_job norm_job;
typedef void norm_rows(const norm_job *job, size_t first, size_t last);
typedef void norm_chunk(const norm_job *job, size_t first, size_t last, float *dgain, float *dbias);
typedef struct norm_kernels {
  norm_rows *rows[2][2][2]; // [RMS][bf16][streams]
  norm_chunk *chunk[2][2];  // [RMS][bf16]
  void (*tree)(float *partials, size_t chunks, size_t stride, size_t first, size_t last, ck_store store, float *y);
} norm_kernels;
struct norm_job {
  const norm_kernels *kernels;
  norm_rows *kernel; // forward
  norm_chunk *chunk; // backward
  size_t rows, columns;
  size_t block, blocks; // rows of one task: a block going forward, a chunk of the column sums going backward
  float epsilon;
  const float *x, *gain, *bias, *mean, *inverse, *residual;
  const void *dy;
  void *y; // f32 dx in the backward pass
  uint16_t *dx_bf16;
  float *mean_out, *inverse_out, *dgain, *dbias;
  ck_store store;
  bool streams; // results go around the caches
};

#define CK_BODY "norm/body.inc.h"
#include "runtime/each_width.inc.h"

static const ck_variant variants[] = {CK_EACH_WIDTH(CK_WIDTH_VARIANT)};
enum { VARIANTS = sizeof variants / sizeof variants[0] };
const ck_variant *ck_norm_variants(size_t *count) { return *count = VARIANTS, variants; }

#define ROWS(kind, width)                                                                                              \
  {                                                                                                                    \
    {norm_##kind##_f32_##width, norm_##kind##_f32_streaming_##width}, {                                                \
      norm_##kind##_bf16_##width, norm_##kind##_bf16_streaming_##width                                                 \
    }                                                                                                                  \
  }
#define CHUNK(kind, width) {norm_chunk_##kind##_f32_##width, norm_chunk_##kind##_bf16_##width}
#define KERNELS(width)                                                                                                 \
  {{ROWS(layer, width), ROWS(rms, width)}, {CHUNK(layer, width), CHUNK(rms, width)}, norm_tree_##width},
static const norm_kernels kernels[] = {CK_EACH_WIDTH(KERNELS)};

static void block(ck_worker *worker, const void *argument, size_t task) {
  const norm_job *job = argument;
  job->kernel(job, task * job->block, ck_min((task + 1) * job->block, job->rows));
}

static void program(ck_worker *worker, const void *argument) {
  const norm_job *job = argument;
  ck_for(worker, job->blocks, block, job);
}

// Shared scratch: for each chunk its dgain, then its dbias, if there is one.
static size_t sums_of_a_chunk(const norm_job *job) { return (job->dbias ? 2 : 1) * job->columns; }

static void chunk_backward(ck_worker *worker, const void *argument, size_t task) {
  const norm_job *job = argument;
  float *sums = (float *)ck_shared_scratch(worker) + task * sums_of_a_chunk(job);
  memset(sums, 0, sums_of_a_chunk(job) * sizeof *sums);
  size_t first = task * job->block, last = ck_min(first + job->block, job->rows);
  job->chunk(job, first, last, sums, sums + job->columns);
}

static void tree(ck_worker *worker, const void *argument, size_t task) {
  const norm_job *job = argument;
  float *sums = ck_shared_scratch(worker);
  size_t first = task * CK_COLUMN_BLOCK, last = ck_min(first + CK_COLUMN_BLOCK, job->columns);
  size_t stride = sums_of_a_chunk(job);
  job->kernels->tree(sums, job->blocks, stride, first, last, job->store, job->dgain);
  if (job->dbias) job->kernels->tree(sums + job->columns, job->blocks, stride, first, last, job->store, job->dbias);
}

static void program_backward(ck_worker *worker, const void *argument) {
  const norm_job *job = argument;
  ck_for(worker, job->blocks, chunk_backward, job);
  ck_for(worker, ck_ceil_div(job->columns, CK_COLUMN_BLOCK), tree, job);
}

static bool is_aligned(const void *p) { return (uintptr_t)p % 64 == 0; }

// What does not fit the cache is better not read into it before it is overwritten. `bytes` of an element move.
static bool streams(const ck_context *context, const norm_job *job, size_t bytes) {
  return job->columns % 32 == 0 && job->rows * job->columns * bytes > ck_context_caches(context).l3;
}

static ck_status forward(const ck_context *context, norm_job job, bool is_rms, ck_type type) {
  if (job.columns == 0 || ck_product_overflows(job.rows, job.columns)) return CK_BAD_SHAPE;
  if (!(job.epsilon >= 0) || (type != CK_F32 && type != CK_BF16)) return CK_BAD_ARGUMENT;
  if (job.rows == 0) return CK_OK;
  job.streams = job.y != job.x && is_aligned(job.y) && streams(context, &job, 4 + (type == CK_BF16 ? 2 : 4));
  job.kernels = &kernels[ck_first_allowed(variants, VARIANTS, context)];
  job.kernel = job.kernels->rows[is_rms][type == CK_BF16][job.streams];
  job.block = ck_block_rows(job.columns);
  job.blocks = ck_ceil_div(job.rows, job.block);
  double work = (double)job.rows * (20 + 0.2 * (double)job.columns);
  return ck_submit(context, program, &job, sizeof job, (ck_needs){.work_ns = work});
}

ck_status ck_layernorm(const ck_context *context, size_t rows, size_t columns, float epsilon, const float *x,
                       const float *gain, const float *bias, void *y, ck_type y_type, float *mean,
                       float *inverse_deviation) {
  norm_job job = {
      .rows = rows,
      .columns = columns,
      .epsilon = epsilon,
      .x = x,
      .gain = gain,
      .bias = bias,
      .y = y,
      .mean_out = mean,
      .inverse_out = inverse_deviation,
  };
  return forward(context, job, false, y_type);
}

ck_status ck_rmsnorm(const ck_context *context, size_t rows, size_t columns, float epsilon, const float *x,
                     const float *gain, void *y, ck_type y_type, float *inverse_rms) {
  norm_job job = {
      .rows = rows,
      .columns = columns,
      .epsilon = epsilon,
      .x = x,
      .gain = gain,
      .y = y,
      .inverse_out = inverse_rms,
  };
  return forward(context, job, true, y_type);
}

static ck_status backward(const ck_context *context, norm_job job, bool is_rms, ck_type type) {
  if (job.columns == 0 || ck_product_overflows(job.rows, job.columns)) return CK_BAD_SHAPE;
  if (type != CK_F32 && type != CK_BF16) return CK_BAD_ARGUMENT;
  if (job.rows == 0 && job.store == CK_ACCUMULATE) return CK_OK;
  // In place, what is written is in the cache already.
  const bool in_place = job.y == job.dy || job.y == job.residual || (job.dx_bf16 && job.dx_bf16 == job.dy);
  const size_t bytes = (type == CK_BF16 ? 2 : 4) + 8 + (job.residual ? 4 : 0) + (job.dx_bf16 ? 2 : 0);
  job.streams = !in_place && is_aligned(job.y) && is_aligned(job.dx_bf16) && streams(context, &job, bytes);
  job.kernels = &kernels[ck_first_allowed(variants, VARIANTS, context)];
  job.chunk = job.kernels->chunk[is_rms][type == CK_BF16];
  job.block = ck_chunk_rows(job.rows);
  job.blocks = ck_max(1, ck_ceil_div(job.rows, job.block)); // without rows one chunk of zeros
  ck_needs needs = {
      .shared_bytes = job.blocks * sums_of_a_chunk(&job) * sizeof(float),
      .work_ns = (double)ck_max(1, job.rows) * (20 + 0.4 * (double)job.columns),
  };
  return ck_submit(context, program_backward, &job, sizeof job, needs);
}

ck_status ck_layernorm_backward(const ck_context *context, size_t rows, size_t columns, const void *dy, ck_type dy_type,
                                const float *x, const float *gain, const float *mean, const float *inverse_deviation,
                                const float *residual, float *dx, uint16_t *dx_bf16, float *dgain, float *dbias,
                                ck_store store) {
  norm_job job = {
      .rows = rows,
      .columns = columns,
      .x = x,
      .gain = gain,
      .mean = mean,
      .inverse = inverse_deviation,
      .residual = residual,
      .dy = dy,
      .y = dx,
      .dx_bf16 = dx_bf16,
      .dgain = dgain,
      .dbias = dbias,
      .store = store,
  };
  return backward(context, job, false, dy_type);
}

ck_status ck_rmsnorm_backward(const ck_context *context, size_t rows, size_t columns, const void *dy, ck_type dy_type,
                              const float *x, const float *gain, const float *inverse_rms, const float *residual,
                              float *dx, uint16_t *dx_bf16, float *dgain, ck_store store) {
  norm_job job = {
      .rows = rows,
      .columns = columns,
      .x = x,
      .gain = gain,
      .inverse = inverse_rms,
      .residual = residual,
      .dy = dy,
      .y = dx,
      .dx_bf16 = dx_bf16,
      .dgain = dgain,
      .store = store,
  };
  return backward(context, job, true, dy_type);
}
