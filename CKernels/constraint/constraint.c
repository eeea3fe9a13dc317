// Drivers of the constraints: check, choose a width, split by rows or spans.
#include "ck_constraint.h"
#include "vector/widths.h"

#define CK_BODY "constraint/body.inc.h"
#include "runtime/each_width.inc.h"

typedef void elements_kernel(float *changed, const float *other, size_t count, float amount);
typedef struct constraint_kernels {
  void (*max_norm)(float *w, size_t columns, double limit);
  elements_kernel *soft_threshold, *l1_gradient;
} constraint_kernels;

static const ck_variant variants[] = {CK_EACH_WIDTH(CK_WIDTH_VARIANT)};
enum { VARIANTS = sizeof variants / sizeof variants[0] };
const ck_variant *ck_constraint_variants(size_t *count) { return *count = VARIANTS, variants; }

#define KERNELS(width) {max_norm_##width, soft_threshold_##width, l1_gradient_##width},
static const constraint_kernels kernels[] = {CK_EACH_WIDTH(KERNELS)};

typedef struct rows_job {
  void (*kernel)(float *w, size_t columns, double limit);
  size_t rows, columns, block;
  double limit;
  float *w;
} rows_job;

static void rows_task(ck_worker *worker, const void *argument, size_t task) {
  const rows_job *job = argument;
  const size_t end = ck_min(job->rows, (task + 1) * job->block);
  for (size_t i = task * job->block; i < end; i++) job->kernel(job->w + i * job->columns, job->columns, job->limit);
}

static void rows_program(ck_worker *worker, const void *argument) {
  const rows_job *job = argument;
  ck_for(worker, ck_ceil_div(job->rows, job->block), rows_task, job);
}

ck_status ck_max_norm_f32(const ck_context *context, size_t rows, size_t columns, double limit, float *w) {
  if (!(limit >= 0)) return CK_BAD_ARGUMENT;
  if (ck_product_overflows(rows, columns)) return CK_BAD_SHAPE;
  if (rows == 0 || columns == 0) return CK_OK;
  rows_job job = {.kernel = kernels[ck_first_allowed(variants, VARIANTS, context)].max_norm,
                  .rows = rows,
                  .columns = columns,
                  .block = ck_block_rows(columns),
                  .limit = limit,
                  .w = w};
  return ck_submit(context, rows_program, &job, sizeof job, (ck_needs){.work_ns = (double)(rows * columns) * 0.2});
}

typedef struct elements_job {
  elements_kernel *kernel;
  size_t count;
  float *changed;
  const float *other;
  float amount;
} elements_job;

static void elements_task(ck_worker *worker, const void *argument, size_t task) {
  const elements_job *job = argument;
  const size_t first = task * CK_FLAT_CHUNK;
  job->kernel(job->changed + first, job->other + first, ck_min(CK_FLAT_CHUNK, job->count - first), job->amount);
}

static void elements_program(ck_worker *worker, const void *argument) {
  const elements_job *job = argument;
  ck_for(worker, ck_ceil_div(job->count, CK_FLAT_CHUNK), elements_task, job);
}

static ck_status submit(const ck_context *context, elements_job job) {
  if (job.count == 0) return CK_OK;
  return ck_submit(context, elements_program, &job, sizeof job, (ck_needs){.work_ns = (double)job.count * 0.25});
}

ck_status ck_soft_threshold_f32(const ck_context *context, size_t count, double threshold, float *w) {
  if (!(threshold >= 0)) return CK_BAD_ARGUMENT;
  elements_kernel *kernel = kernels[ck_first_allowed(variants, VARIANTS, context)].soft_threshold;
  return submit(context, (elements_job){kernel, count, w, w, (float)threshold});
}

ck_status ck_l1_gradient_f32(const ck_context *context, size_t count, double coefficient, const float *w, float *g) {
  elements_kernel *kernel = kernels[ck_first_allowed(variants, VARIANTS, context)].l1_gradient;
  return submit(context, (elements_job){kernel, count, g, w, (float)coefficient});
}
