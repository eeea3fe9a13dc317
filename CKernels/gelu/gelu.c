#include "ck_gelu.h"
#include "vector/widths.h"

typedef struct gelu_job gelu_job;
typedef void gelu_kernel(const gelu_job *job, size_t first, size_t last);
struct gelu_job {
  gelu_kernel *kernel;
  size_t count;
  const float *dy, *x;
  float *y; // dx in the backward pass
};

#define CK_BODY "gelu/body.inc.h"
#include "runtime/each_width.inc.h"

static const ck_variant variants[] = {CK_EACH_WIDTH(CK_WIDTH_VARIANT)};
enum { VARIANTS = sizeof variants / sizeof variants[0] };
const ck_variant *ck_gelu_variants(size_t *count) { return *count = VARIANTS, variants; }

typedef struct gelu_kernels {
  gelu_kernel *forward[2], *backward[2]; // by form
} gelu_kernels;
#define KERNELS(width)                                                                                                 \
  {{gelu_tanh_forward_##width, gelu_erf_forward_##width}, {gelu_tanh_backward_##width, gelu_erf_backward_##width}},
static const gelu_kernels kernels[] = {CK_EACH_WIDTH(KERNELS)};

enum { CHUNK = 2048 }; // about a microsecond

static void chunk(ck_worker *worker, const void *argument, size_t task) {
  const gelu_job *job = argument;
  job->kernel(job, task * CHUNK, ck_min((task + 1) * CHUNK, job->count));
}

static void program(ck_worker *worker, const void *argument) {
  const gelu_job *job = argument;
  ck_for(worker, ck_ceil_div(job->count, CHUNK), chunk, job);
}

static ck_status submit(const ck_context *context, gelu_job job) {
  if (job.count == 0) return CK_OK;
  return ck_submit(context, program, &job, sizeof job, (ck_needs){.work_ns = (double)job.count * 0.6});
}

ck_status ck_gelu_f32(const ck_context *context, ck_gelu_form form, size_t count, const float *x, float *y) {
  if (form != CK_GELU_TANH && form != CK_GELU_ERF) return CK_BAD_ARGUMENT;
  size_t v = ck_first_allowed(variants, VARIANTS, context);
  return submit(context, (gelu_job){.kernel = kernels[v].forward[form], .count = count, .x = x, .y = y});
}

ck_status ck_gelu_backward_f32(const ck_context *context, ck_gelu_form form, size_t count, const float *dy,
                               const float *x, float *dx) {
  if (form != CK_GELU_TANH && form != CK_GELU_ERF) return CK_BAD_ARGUMENT;
  size_t v = ck_first_allowed(variants, VARIANTS, context);
  return submit(context, (gelu_job){.kernel = kernels[v].backward[form], .count = count, .dy = dy, .x = x, .y = dx});
}
