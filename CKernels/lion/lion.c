// Driver of Lion: checks, rounds the options, chooses a width. step/step.c does the rest.
#include "ck_lion.h"
#include "step/step.h"

// rest1 = 1 - beta1, rest2 = 1 - beta2.
typedef struct {
  float rate, beta1, rest1, beta2, rest2, weight_decay;
} ck_lion_constants;

#define CK_BODY "lion/body.inc.h"
#include "runtime/each_width.inc.h"

static const ck_variant variants[] = {CK_EACH_WIDTH(CK_WIDTH_VARIANT)};
enum { VARIANTS = sizeof variants / sizeof *variants };
static ck_step_rule *const rules[] = {
#define X(width) lion_##width,
    CK_EACH_WIDTH(X)
#undef X
};

const ck_variant *ck_lion_variants(size_t *count) {
  *count = VARIANTS;
  return variants;
}

ck_status ck_lion_step(const ck_context *context, const ck_step_matrix *matrix, float *m, ck_lion_options o) {
  // Written so that NaN fails.
  if (!(o.beta1 >= 0 && o.beta1 < 1 && o.beta2 >= 0 && o.beta2 < 1)) return CK_BAD_ARGUMENT;
  const ck_lion_constants constants = {(float)o.rate,  (float)o.beta1,       (float)(1 - o.beta1),
                                       (float)o.beta2, (float)(1 - o.beta2), (float)o.weight_decay};
  ck_step step = {
      .rule = rules[ck_first_allowed(variants, VARIANTS, context)],
      .state = {{m, 1, sizeof *m}},
      .gradient = o.gradient,
      .element_ns = 0.7f,
  };
  __builtin_memcpy(step.constants, &constants, sizeof constants);
  return ck_step_submit(context, matrix, &step);
}
