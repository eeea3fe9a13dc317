// Driver of gradient descent: checks, rounds the options, chooses form and width. step/step.c does the rest.
#include "ck_sgd.h"
#include "step/step.h"

typedef struct {
  float rate, momentum, weight_decay, l2;
} ck_sgd_constants;

#define CK_BODY "sgd/body.inc.h"
#include "runtime/each_width.inc.h"

static const ck_variant variants[] = {CK_EACH_WIDTH(CK_WIDTH_VARIANT)};
enum { VARIANTS = sizeof variants / sizeof *variants };
static const struct {
  ck_step_rule *plain, *momentum, *nesterov;
} rules[] = {
#define X(width) {plain_##width, momentum_##width, nesterov_##width},
    CK_EACH_WIDTH(X)
#undef X
};

const ck_variant *ck_sgd_variants(size_t *count) {
  *count = VARIANTS;
  return variants;
}

ck_status ck_sgd_step(const ck_context *context, const ck_step_matrix *matrix, float *velocity, ck_sgd_options o) {
  if (!(o.momentum >= 0 && o.momentum < 1)) return CK_BAD_ARGUMENT;
  if (!velocity && (o.momentum != 0 || o.nesterov)) return CK_BAD_ARGUMENT;
  const size_t variant = ck_first_allowed(variants, VARIANTS, context);
  const ck_sgd_constants constants = {(float)o.rate, (float)o.momentum, (float)o.weight_decay, (float)o.l2};
  ck_step step = {
      .rule = !velocity    ? rules[variant].plain
              : o.nesterov ? rules[variant].nesterov
                           : rules[variant].momentum,
      .state = {{velocity, 1, sizeof *velocity}},
      .gradient = o.gradient,
      .element_ns = 0.7f,
  };
  __builtin_memcpy(step.constants, &constants, sizeof constants);
  return ck_step_submit(context, matrix, &step);
}
