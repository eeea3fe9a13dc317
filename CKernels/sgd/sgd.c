// Driver of gradient descent: checks, splits into spans, chooses form and width.
#include "ck_sgd.h"
#include "vector/widths.h"

typedef struct {
  float rate, momentum, weight_decay, l2, gradient_scale;
} ck_sgd_constants;

#define CK_BODY "sgd/body.inc.h"
#include "runtime/each_width.inc.h"

static const ck_variant variants[] = {CK_EACH_WIDTH(CK_WIDTH_VARIANT)};
enum { VARIANTS = sizeof variants / sizeof *variants };
typedef void kernel(const ck_sgd_constants *constants, size_t count, float *w, const float *g, float *u);
static const struct {
  kernel *plain, *momentum, *nesterov;
} kernels[] = {
#define X(width) {plain_##width, momentum_##width, nesterov_##width},
    CK_EACH_WIDTH(X)
#undef X
};

const ck_variant *ck_sgd_variants(size_t *count) {
  *count = VARIANTS;
  return variants;
}

typedef struct {
  ck_sgd_constants constants;
  kernel *kernel;
  size_t count;
  float *w;
  const float *g;
  float *u;
} job;
enum { SPAN = 16384 };

static void step_span(ck_worker *worker, const void *argument, size_t task) {
  const job *j = argument;
  size_t i = task * SPAN;
  j->kernel(&j->constants, ck_min(SPAN, j->count - i), j->w + i, j->g + i, j->u ? j->u + i : NULL);
}

static void step(ck_worker *worker, const void *argument) {
  const job *j = argument;
  ck_for(worker, ck_ceil_div(j->count, SPAN), step_span, j);
}

ck_status ck_sgd_f32(const ck_context *context, size_t count, float *w, const float *g, float *velocity,
                     ck_sgd_options o) {
  if (!(o.momentum >= 0 && o.momentum < 1)) return CK_BAD_ARGUMENT;
  if (!velocity && (o.momentum != 0 || o.nesterov)) return CK_BAD_ARGUMENT;
  size_t variant = ck_first_allowed(variants, VARIANTS, context);
  if (count == 0) return CK_OK;
  job j = {
      .constants = {(float)o.rate, (float)o.momentum, (float)o.weight_decay, (float)o.l2, (float)o.gradient_scale},
      .kernel = !velocity    ? kernels[variant].plain
                : o.nesterov ? kernels[variant].nesterov
                             : kernels[variant].momentum,
      .count = count,
      .w = w,
      .g = g,
      .u = velocity,
  };
  return ck_submit(context, step, &j, sizeof j, (ck_needs){.work_ns = 0.7 * (double)count});
}
