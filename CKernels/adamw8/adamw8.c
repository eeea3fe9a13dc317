// Driver of AdamW with moments in 8 bits: checks, rounds the options, chooses a variant. step/step.c does the rest.
#include "adamw8/adamw8.h"
#include "adamw/options.h"

#define CK_BODY "adamw8/body.inc.h"
#include "runtime/each_width.inc.h"

static const ck_variant variants[] = {
#if defined(__x86_64__)
    {"avx512vbmi2", CK_ISA_AVX512VBMI2},
#endif
    CK_EACH_WIDTH(CK_WIDTH_VARIANT)};
enum { VARIANTS = sizeof variants / sizeof *variants };
static ck_step_rule *const rules[] = {
#if defined(__x86_64__)
    ck_adamw8_avx512vbmi2,
#endif
#define X(width) adamw8_##width,
    CK_EACH_WIDTH(X)
#undef X
};

const ck_variant *ck_adamw8_variants(size_t *count) {
  *count = VARIANTS;
  return variants;
}

ck_status ck_adamw8_step(const ck_context *context, const ck_step_matrix *matrix, ck_adamw8_moments moments,
                         ck_adamw_options o) {
  if (!ck_adamw_options_fit(&o) || o.l2 != 0) return CK_BAD_ARGUMENT;
  const double root = __builtin_sqrt(o.correction2); // of v's correction, taken out of the square root
  const ck_adamw8_constants constants = {
      .beta1 = (float)o.beta1,
      .rest1 = (float)(1 - o.beta1),
      .beta2 = (float)o.beta2,
      .rest2 = (float)(1 - o.beta2),
      .epsilon = (float)(o.epsilon / root),
      .step = (float)(o.rate * o.correction1 / root),
      .decay = (float)(o.rate * o.weight_decay),
  };
  ck_step step = {
      .rule = rules[ck_first_allowed(variants, VARIANTS, context)],
      .state = {{moments.m, 1, 1},
                {moments.v, 1, 1},
                {moments.m_scales, CK_ADAMW8_BLOCK, sizeof(float)},
                {moments.v_scales, CK_ADAMW8_BLOCK, sizeof(float)}},
      .gradient = o.gradient,
      .element_ns = 0.6f,
  };
  memcpy(step.constants, &constants, sizeof constants);
  return ck_step_submit(context, matrix, &step);
}
