#include "ck_elementwise.h"
#include "vector/widths.h"

typedef struct elementwise_job elementwise_job;
typedef void elementwise_kernel(const elementwise_job *job, size_t first, size_t last);
struct elementwise_job {
  elementwise_kernel *kernel;
  size_t count;
  const float *x, *y;
  float *z, factor, other;
};

#define CK_BODY "elementwise/body.inc.h"
#include "runtime/each_width.inc.h"

static const ck_variant variants[] = {CK_EACH_WIDTH(CK_WIDTH_VARIANT)};
enum { VARIANTS = sizeof variants / sizeof variants[0] };
const ck_variant *ck_elementwise_variants(size_t *count) { return *count = VARIANTS, variants; }

#define ADD(width) add_##width,
#define SCALE(width) scale_##width,
#define COMBINE(width) combine_##width,
#define RELU(width) relu_##width,
#define RELU_BACKWARD(width) relu_backward_##width,
static elementwise_kernel *const add[] = {CK_EACH_WIDTH(ADD)}, *const scale[] = {CK_EACH_WIDTH(SCALE)},
                                 *const combine[] = {CK_EACH_WIDTH(COMBINE)}, *const relu[] = {CK_EACH_WIDTH(RELU)},
                                 *const relu_backward[] = {CK_EACH_WIDTH(RELU_BACKWARD)};

static void chunk(ck_worker *worker, const void *argument, size_t task) {
  const elementwise_job *job = argument;
  size_t first = task * CK_FLAT_CHUNK;
  job->kernel(job, first, ck_min(first + CK_FLAT_CHUNK, job->count));
}

static void program(ck_worker *worker, const void *argument) {
  const elementwise_job *job = argument;
  ck_for(worker, ck_ceil_div(job->count, CK_FLAT_CHUNK), chunk, job);
}

static ck_status submit(const ck_context *context, elementwise_kernel *const kernels[], elementwise_job job) {
  if (job.count == 0) return CK_OK;
  job.kernel = kernels[ck_first_allowed(variants, VARIANTS, context)];
  // In cache about ten elements a nanosecond, from memory two.
  return ck_submit(context, program, &job, sizeof job, (ck_needs){.work_ns = (double)job.count * 0.25});
}

ck_status ck_add_f32(const ck_context *context, size_t count, const float *x, const float *y, float *z) {
  return submit(context, add, (elementwise_job){.count = count, .x = x, .y = y, .z = z});
}

ck_status ck_accumulate_f32(const ck_context *context, size_t count, const float *x, float *y) {
  return submit(context, add, (elementwise_job){.count = count, .x = y, .y = x, .z = y});
}

ck_status ck_scale_f32(const ck_context *context, size_t count, float factor, float *x) {
  return submit(context, scale, (elementwise_job){.count = count, .x = x, .z = x, .factor = factor});
}

ck_status ck_combine_f32(const ck_context *context, size_t count, float a, const float *x, float b, const float *y,
                         float *z) {
  return submit(context, combine, (elementwise_job){.count = count, .x = x, .y = y, .z = z, .factor = a, .other = b});
}

ck_status ck_relu_f32(const ck_context *context, size_t count, const float *x, float *y) {
  return submit(context, relu, (elementwise_job){.count = count, .x = x, .z = y});
}

ck_status ck_relu_backward_f32(const ck_context *context, size_t count, const float *dy, const float *y, float *dx) {
  return submit(context, relu_backward, (elementwise_job){.count = count, .x = dy, .y = y, .z = dx});
}
