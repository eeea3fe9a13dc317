#include "ck_softmax.h"
#include "vector/widths.h"

typedef struct softmax_job softmax_job;
typedef void softmax_kernel(const softmax_job *job, size_t first, size_t last, float *scratch);
struct softmax_job {
  softmax_kernel *kernel;
  size_t rows, columns, block;
  const float *dy, *x; // x is y in the backward pass
  float *y;            // dx in the backward pass
  bool streams;        // y goes around the caches
};

#define CK_BODY "softmax/body.inc.h"
#include "runtime/each_width.inc.h"

static const ck_variant variants[] = {CK_EACH_WIDTH(CK_WIDTH_VARIANT)};
enum { VARIANTS = sizeof variants / sizeof variants[0] };
const ck_variant *ck_softmax_variants(size_t *count) { return *count = VARIANTS, variants; }

#define FORWARD(width) softmax_##width,
#define BACKWARD(width) softmax_backward_##width,
static softmax_kernel *const forward[] = {CK_EACH_WIDTH(FORWARD)}, *const backward[] = {CK_EACH_WIDTH(BACKWARD)};

static void block(ck_worker *worker, const void *argument, size_t task) {
  const softmax_job *job = argument;
  job->kernel(job, task * job->block, ck_min((task + 1) * job->block, job->rows), ck_worker_scratch(worker));
}

static void program(ck_worker *worker, const void *argument) {
  const softmax_job *job = argument;
  ck_for(worker, ck_ceil_div(job->rows, job->block), block, job);
}

static ck_status submit(const ck_context *context, softmax_kernel *const kernels[], double ns, softmax_job job) {
  if (ck_product_overflows(job.rows, job.columns)) return CK_BAD_SHAPE;
  if (job.rows == 0 || job.columns == 0) return CK_OK;
  job.kernel = kernels[ck_first_allowed(variants, VARIANTS, context)];
  job.block = ck_block_rows(job.columns);
  // What does not fit the cache is better not read into it before it is overwritten.
  job.streams = job.y != job.x && job.y != job.dy && job.columns % 16 == 0 && (uintptr_t)job.y % 64 == 0 &&
                job.rows * job.columns * (job.dy ? 12 : 8) > ck_context_caches(context).l3;
  ck_needs needs = {
      .worker_bytes = job.streams ? 2 * job.columns * sizeof(float) : 0, // exponentials of two rows
      .work_ns = (double)job.rows * (10 + ns * (double)job.columns),
  };
  return ck_submit(context, program, &job, sizeof job, needs);
}

ck_status ck_softmax_f32(const ck_context *context, size_t rows, size_t columns, const float *x, float *y) {
  return submit(context, forward, 0.5, (softmax_job){.rows = rows, .columns = columns, .x = x, .y = y});
}

ck_status ck_softmax_backward_f32(const ck_context *context, size_t rows, size_t columns, const float *dy,
                                  const float *y, float *dx) {
  return submit(context, backward, 0.25, (softmax_job){.rows = rows, .columns = columns, .dy = dy, .x = y, .y = dx});
}
