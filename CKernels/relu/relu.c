#include "ck_relu.h"
#include "vector/widths.h"

typedef struct relu_job relu_job;
typedef void relu_kernel(const relu_job *job, size_t first, size_t last);
struct relu_job {
  relu_kernel *kernel;
  size_t count;
  const float *x, *y;
  float *z;
};

#define CK_BODY "relu/body.inc.h"
#include "runtime/each_width.inc.h"

static const ck_variant variants[] = {CK_EACH_WIDTH(CK_WIDTH_VARIANT)};
enum { VARIANTS = sizeof variants / sizeof variants[0] };
const ck_variant *ck_relu_variants(size_t *count) { return *count = VARIANTS, variants; }

#define FORWARD(width) forward_##width,
#define BACKWARD(width) backward_##width,
static relu_kernel *const forward[] = {CK_EACH_WIDTH(FORWARD)}, *const backward[] = {CK_EACH_WIDTH(BACKWARD)};

static void chunk(ck_worker *worker, const void *argument, size_t task) {
  const relu_job *job = argument;
  size_t first = task * CK_FLAT_CHUNK;
  job->kernel(job, first, ck_min(first + CK_FLAT_CHUNK, job->count));
}

static void program(ck_worker *worker, const void *argument) {
  const relu_job *job = argument;
  ck_for(worker, ck_ceil_div(job->count, CK_FLAT_CHUNK), chunk, job);
}

static ck_status submit(const ck_context *context, relu_kernel *const kernels[], relu_job job) {
  if (job.count == 0) return CK_OK;
  job.kernel = kernels[ck_first_allowed(variants, VARIANTS, context)];
  return ck_submit(context, program, &job, sizeof job, (ck_needs){.work_ns = (double)job.count * 0.25});
}

ck_status ck_relu_f32(const ck_context *context, size_t count, const float *x, float *y) {
  return submit(context, forward, (relu_job){.count = count, .x = x, .z = y});
}

ck_status ck_relu_backward_f32(const ck_context *context, size_t count, const float *dy, const float *y, float *dx) {
  return submit(context, backward, (relu_job){.count = count, .x = dy, .y = y, .z = dx});
}
