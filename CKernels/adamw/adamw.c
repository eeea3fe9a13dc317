// Driver of AdamW: checks, rounds the options, chooses a width. step/step.c does the rest.
#include "ck_adamw.h"
#include "adamw/options.h"
#include "step/step.h"

// The options as the kernels use them, rounded once. rest1 = 1 - beta1, rest2 = 1 - beta2.
typedef struct {
  float rate, beta1, rest1, beta2, rest2, epsilon, weight_decay, l2, correction1, correction2;
} ck_adamw_constants;

#define CK_BODY "adamw/body.inc.h"
#include "runtime/each_width.inc.h"

static const ck_variant variants[] = {CK_EACH_WIDTH(CK_WIDTH_VARIANT)};
enum { VARIANTS = sizeof variants / sizeof *variants };
static ck_step_rule *const rules[] = {
#define X(width) adamw_##width,
    CK_EACH_WIDTH(X)
#undef X
};

const ck_variant *ck_adamw_variants(size_t *count) {
  *count = VARIANTS;
  return variants;
}

ck_status ck_adamw_step(const ck_context *context, const ck_step_matrix *matrix, float *m, float *v,
                        ck_adamw_options o) {
  if (!ck_adamw_options_fit(&o)) return CK_BAD_ARGUMENT;
  const ck_adamw_constants constants = {
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
  };
  ck_step step = {
      .rule = rules[ck_first_allowed(variants, VARIANTS, context)],
      .state = {{m, 1, sizeof *m}, {v, 1, sizeof *v}},
      .gradient = o.gradient,
      .element_ns = 0.9f,
  };
  __builtin_memcpy(step.constants, &constants, sizeof constants);
  return ck_step_submit(context, matrix, &step);
}
