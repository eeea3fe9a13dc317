// Driver of AdamW: checks, splits into spans, chooses a width.
#include "ck_adamw.h"
#include "vector/widths.h"

// The options as the kernels use them, rounded once. rest1 = 1 - beta1, rest2 = 1 - beta2.
typedef struct {
  float rate, beta1, rest1, beta2, rest2, epsilon, weight_decay, l2, correction1, correction2, gradient_scale;
} ck_adamw_constants;

#define CK_BODY "adamw/body.inc.h"
#include "runtime/each_width.inc.h"

static const ck_variant variants[] = {CK_EACH_WIDTH(CK_WIDTH_VARIANT)};
enum { VARIANTS = sizeof variants / sizeof *variants };
typedef void kernel(const ck_adamw_constants *constants, size_t count, float *w, const float *g, float *m, float *v);
static kernel *const kernels[] = {
#define X(width) adamw_##width,
    CK_EACH_WIDTH(X)
#undef X
};

const ck_variant *ck_adamw_variants(size_t *count) {
  *count = VARIANTS;
  return variants;
}

typedef struct {
  ck_adamw_constants constants;
  kernel *kernel;
  size_t count;
  float *w;
  const float *g;
  float *m, *v;
} job;
enum { SPAN = 16384 };

static void step_span(ck_worker *worker, const void *argument, size_t task) {
  const job *j = argument;
  size_t i = task * SPAN;
  j->kernel(&j->constants, ck_min(SPAN, j->count - i), j->w + i, j->g + i, j->m + i, j->v + i);
}

static void step(ck_worker *worker, const void *argument) {
  const job *j = argument;
  ck_for(worker, ck_ceil_div(j->count, SPAN), step_span, j);
}

ck_status ck_adamw_f32(const ck_context *context, size_t count, float *w, const float *g, float *m, float *v,
                       ck_adamw_options o) {
  // Written so that NaN fails. A correction below 1 would be 1 - beta^t instead of its inverse.
  if (!(o.beta1 >= 0 && o.beta1 < 1 && o.beta2 >= 0 && o.beta2 < 1 && o.epsilon >= 0)) return CK_BAD_ARGUMENT;
  if (!(o.correction1 >= 1 && o.correction2 >= 1)) return CK_BAD_ARGUMENT;
  size_t variant = ck_first_allowed(variants, VARIANTS, context);
  if (count == 0) return CK_OK;
  job j = {
      .constants =
          {
              .rate = (float)o.rate,
              .beta1 = (float)o.beta1,
              .rest1 = (float)(1 - o.beta1),
              .beta2 = (float)o.beta2,
              .rest2 = (float)(1 - o.beta2),
              .epsilon = (float)o.epsilon,
              .weight_decay = (float)o.weight_decay,
              .l2 = (float)o.l2,
              .correction1 = (float)o.correction1,
              .correction2 = (float)o.correction2,
              .gradient_scale = (float)o.gradient_scale,
          },
      .kernel = kernels[variant],
      .count = count,
      .w = w,
      .g = g,
      .m = m,
      .v = v,
  };
  return ck_submit(context, step, &j, sizeof j, (ck_needs){.work_ns = (double)count});
}
