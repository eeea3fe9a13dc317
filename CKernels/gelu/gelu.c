// Driver of the GELU: checks, chooses the form, the type and the width, splits.
#include "ck_gelu.h"
#include "vector/widths.h"

typedef struct gelu_job gelu_job;
typedef void gelu_kernel(const gelu_job *job, size_t first, size_t last);
struct gelu_job {
  gelu_kernel *kernel;
  size_t count;
  const void *dy, *x; // going forward dy is x
  void *y;            // dx in the backward pass
  bool streams;
};

#define CK_BODY "gelu/body.inc.h"
#include "runtime/each_width.inc.h"

static const ck_variant variants[] = {CK_EACH_WIDTH(CK_WIDTH_VARIANT)};
enum { VARIANTS = sizeof variants / sizeof variants[0] };
const ck_variant *ck_gelu_variants(size_t *count) { return *count = VARIANTS, variants; }

typedef struct gelu_kernels {
  gelu_kernel *forward[2][2], *backward[2][2]; // [form][is bf16]
} gelu_kernels;
#define PASS(pass, width)                                                                                              \
  {                                                                                                                    \
    {gelu_tanh_##pass##_f32_##width, gelu_tanh_##pass##_bf16_##width}, {                                               \
      gelu_erf_##pass##_f32_##width, gelu_erf_##pass##_bf16_##width                                                    \
    }                                                                                                                  \
  }
#define KERNELS(width) {PASS(forward, width), PASS(backward, width)},
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

static ck_status submit(const ck_context *context, ck_gelu_form form, ck_type type, bool backward, gelu_job job) {
  if (form != CK_GELU_TANH && form != CK_GELU_ERF) return CK_BAD_ARGUMENT;
  if (type != CK_F32 && type != CK_BF16) return CK_BAD_ARGUMENT;
  if (job.count == 0) return CK_OK;
  const gelu_kernels *all = &kernels[ck_first_allowed(variants, VARIANTS, context)];
  job.kernel = (backward ? all->backward : all->forward)[form][type == CK_BF16];
  // What does not fit the cache is better not read into it before it is overwritten.
  job.streams = job.y != job.x && job.y != job.dy && (uintptr_t)job.y % 64 == 0 &&
                job.count * (backward ? 3 : 2) * ck_bytes_of(type) > ck_context_caches(context).l3;
  return ck_submit(context, program, &job, sizeof job, (ck_needs){.work_ns = (double)job.count * 0.6});
}

ck_status ck_gelu(const ck_context *context, ck_gelu_form form, ck_type type, size_t count, const void *x, void *y) {
  return submit(context, form, type, false, (gelu_job){.count = count, .dy = x, .x = x, .y = y});
}

ck_status ck_gelu_backward(const ck_context *context, ck_gelu_form form, ck_type type, size_t count, const void *dy,
                           const void *x, void *dx) {
  return submit(context, form, type, true, (gelu_job){.count = count, .dy = dy, .x = x, .y = dx});
}
