// Drivers of Adagrad, RMSProp and AdaMax: check, round the options, choose a width. step/step.c does the rest.
#include "ck_adaptive.h"
#include "step/step.h"

typedef struct {
  float rate, initial, epsilon, l2;
} ck_adagrad_constants;
typedef struct {
  float rate, decay, rest, epsilon, l2; // rest = 1 - decay
} ck_rmsprop_constants;
typedef struct {
  float rate, beta1, rest1, beta2, l2; // the rate with the correction in it
} ck_adamax_constants;

#define CK_BODY "adaptive/body.inc.h"
#include "runtime/each_width.inc.h"

static const ck_variant variants[] = {CK_EACH_WIDTH(CK_WIDTH_VARIANT)};
enum { VARIANTS = sizeof variants / sizeof *variants };
static const struct {
  ck_step_rule *adagrad, *rmsprop, *adamax;
} rules[] = {
#define X(width) {adagrad_##width, rmsprop_##width, adamax_##width},
    CK_EACH_WIDTH(X)
#undef X
};

const ck_variant *ck_adaptive_variants(size_t *count) {
  *count = VARIANTS;
  return variants;
}

// Checks are written so that NaN fails. An epsilon that rounds to zero leaves 0 / 0 where there was never a gradient.

ck_status ck_adagrad_step(const ck_context *context, const ck_step_matrix *matrix, float *a, ck_adagrad_options o) {
  if (!(o.initial >= 0 && o.epsilon >= 0 && (float)o.initial + (float)o.epsilon > 0)) return CK_BAD_ARGUMENT;
  const ck_adagrad_constants constants = {(float)o.rate, (float)o.initial, (float)o.epsilon, (float)o.l2};
  ck_step step = {
      .rule = rules[ck_first_allowed(variants, VARIANTS, context)].adagrad,
      .state = {{a, 1, sizeof *a}},
      .gradient = o.gradient,
      .element_ns = 0.8f,
  };
  __builtin_memcpy(step.constants, &constants, sizeof constants);
  return ck_step_submit(context, matrix, &step);
}

ck_status ck_rmsprop_step(const ck_context *context, const ck_step_matrix *matrix, float *v, ck_rmsprop_options o) {
  if (!(o.decay >= 0 && o.decay < 1 && (float)o.epsilon > 0)) return CK_BAD_ARGUMENT;
  const ck_rmsprop_constants constants = {(float)o.rate, (float)o.decay, (float)(1 - o.decay), (float)o.epsilon,
                                          (float)o.l2};
  ck_step step = {
      .rule = rules[ck_first_allowed(variants, VARIANTS, context)].rmsprop,
      .state = {{v, 1, sizeof *v}},
      .gradient = o.gradient,
      .element_ns = 0.8f,
  };
  __builtin_memcpy(step.constants, &constants, sizeof constants);
  return ck_step_submit(context, matrix, &step);
}

ck_status ck_adamax_step(const ck_context *context, const ck_step_matrix *matrix, float *m, float *u,
                         ck_adamax_options o) {
  if (!(o.beta1 >= 0 && o.beta1 < 1 && o.beta2 >= 0 && o.beta2 < 1 && o.correction >= 1)) return CK_BAD_ARGUMENT;
  const ck_adamax_constants constants = {(float)(o.rate * o.correction), (float)o.beta1, (float)(1 - o.beta1),
                                         (float)o.beta2, (float)o.l2};
  ck_step step = {
      .rule = rules[ck_first_allowed(variants, VARIANTS, context)].adamax,
      .state = {{m, 1, sizeof *m}, {u, 1, sizeof *u}},
      .gradient = o.gradient,
      .element_ns = 0.8f,
  };
  __builtin_memcpy(step.constants, &constants, sizeof constants);
  return ck_step_submit(context, matrix, &step);
}
