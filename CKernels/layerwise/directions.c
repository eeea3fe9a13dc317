// Drivers of directions and of the factors that are made of norms.
#include "ck_layerwise.h"
#include "adamw/options.h"
#include "step/step.h"

typedef struct {
  float beta1, rest1, beta2, rest2, epsilon, weight_decay, correction1, correction2;
} ck_direction_constants;

#define CK_BODY "layerwise/directions.inc.h"
#include "runtime/each_width.inc.h"

static const ck_variant variants[] = {CK_EACH_WIDTH(CK_WIDTH_VARIANT)};
enum { VARIANTS = sizeof variants / sizeof *variants };
static const struct {
  ck_step_rule *adam, *momentum, *unfactored;
  void (*multiplied)(const float *x, float factor, size_t count, float *y);
  void (*hold_zeros)(const float *w, const float *m, size_t count, float *u);
} kernels[] = {
#define X(width)                                                                                                       \
  {adam_direction_##width, momentum_direction_##width, unfactored_direction_##width, multiplied_##width,               \
   hold_zeros_##width},
    CK_EACH_WIDTH(X)
#undef X
};

const ck_variant *ck_layerwise_variants(size_t *count) {
  *count = VARIANTS;
  return variants;
}

ck_status ck_adam_direction(const ck_context *context, const ck_step_matrix *matrix, float *m, float *v, float *u,
                            ck_adamw_options o) {
  if (!ck_adamw_options_fit(&o) || matrix->forward || matrix->backward) return CK_BAD_ARGUMENT;
  const ck_direction_constants constants = {
      .beta1 = (float)o.beta1,
      .rest1 = (float)(1 - o.beta1),
      .beta2 = (float)o.beta2,
      .rest2 = (float)(1 - o.beta2),
      .epsilon = (float)o.epsilon,
      .weight_decay = (float)o.weight_decay,
      .correction1 = (float)o.correction1,
      .correction2 = (float)o.correction2,
  };
  ck_step step = {
      .rule = kernels[ck_first_allowed(variants, VARIANTS, context)].adam,
      .state = {{m, 1, sizeof *m}, {v, 1, sizeof *v}, {u, 1, sizeof *u}},
      .gradient = o.gradient,
      .element_ns = 1.1f,
  };
  __builtin_memcpy(step.constants, &constants, sizeof constants);
  return ck_step_submit(context, matrix, &step);
}

ck_status ck_momentum_direction(const ck_context *context, const ck_step_matrix *matrix, float *m, float *u,
                                double momentum, ck_step_gradient gradient) {
  if (!(momentum >= 0 && momentum < 1) || matrix->forward || matrix->backward) return CK_BAD_ARGUMENT;
  ck_step step = {
      .rule = kernels[ck_first_allowed(variants, VARIANTS, context)].momentum,
      .constants = {(float)momentum},
      .state = {{m, 1, sizeof *m}, {u, 1, sizeof *u}},
      .gradient = gradient,
      .element_ns = 0.8f,
  };
  return ck_step_submit(context, matrix, &step);
}

ck_status ck_unfactored_direction(const ck_context *context, const ck_step_matrix *matrix, float *v, float *u,
                                  double decay, double epsilon, ck_step_gradient gradient) {
  if (!(decay >= 0 && decay < 1 && (float)epsilon > 0) || matrix->forward || matrix->backward) return CK_BAD_ARGUMENT;
  ck_step step = {
      .rule = kernels[ck_first_allowed(variants, VARIANTS, context)].unfactored,
      .constants = {(float)decay, (float)(1 - decay), (float)epsilon},
      .state = {{v, 1, sizeof *v}, {u, 1, sizeof *u}},
      .gradient = gradient,
      .element_ns = 0.9f,
  };
  return ck_step_submit(context, matrix, &step);
}

typedef struct {
  void (*kernel)(const float *x, float factor, size_t count, float *y);
  size_t count;
  const double *squares;
  double epsilon;
  const float *x;
  float *y;
} normalize_job;

static void normalize_task(ck_worker *worker, const void *argument, size_t task) {
  const normalize_job *j = argument;
  const size_t first = task * CK_FLAT_CHUNK;
  const float factor = (float)(1 / (__builtin_sqrt(*j->squares) + j->epsilon));
  j->kernel(j->x + first, factor, ck_min(CK_FLAT_CHUNK, j->count - first), j->y + first);
}

static void normalize_program(ck_worker *worker, const void *argument) {
  const normalize_job *j = argument;
  ck_for(worker, ck_ceil_div(j->count, CK_FLAT_CHUNK), normalize_task, j);
}

ck_status ck_normalize_f32(const ck_context *context, size_t count, const double *squares, double epsilon,
                           const float *x, float *y) {
  if (!(epsilon > 0)) return CK_BAD_ARGUMENT;
  if (count == 0) return CK_OK;
  normalize_job job = {
      kernels[ck_first_allowed(variants, VARIANTS, context)].multiplied, count, squares, epsilon, x, y};
  return ck_submit(context, normalize_program, &job, sizeof job, (ck_needs){.work_ns = 0.25 * (double)count});
}

typedef struct {
  void (*kernel)(const float *w, const float *m, size_t count, float *u);
  size_t count;
  const float *w, *m;
  float *u;
} hold_job;

static void hold_task(ck_worker *worker, const void *argument, size_t task) {
  const hold_job *j = argument;
  const size_t first = task * CK_FLAT_CHUNK;
  j->kernel(j->w + first, j->m + first, ck_min(CK_FLAT_CHUNK, j->count - first), j->u + first);
}

static void hold_program(ck_worker *worker, const void *argument) {
  const hold_job *j = argument;
  ck_for(worker, ck_ceil_div(j->count, CK_FLAT_CHUNK), hold_task, j);
}

ck_status ck_hold_zeros_f32(const ck_context *context, size_t count, const float *w, const float *m, float *u) {
  if (count == 0) return CK_OK;
  hold_job job = {kernels[ck_first_allowed(variants, VARIANTS, context)].hold_zeros, count, w, m, u};
  return ck_submit(context, hold_program, &job, sizeof job, (ck_needs){.work_ns = 0.3 * (double)count});
}

typedef struct {
  size_t count;
  const double *w_squares, *u_squares;
  double limit, floor;
  double *factor;
} factor_job;

static void trust_program(ck_worker *worker, const void *argument) {
  const factor_job *j = argument;
  if (ck_worker_index(worker) == 0) {
    const double w = *j->w_squares, u = *j->u_squares;
    *j->factor = w > 0 && u > 0 ? __builtin_sqrt(w) / __builtin_sqrt(u) : 1;
  }
  ck_barrier(worker);
}

ck_status ck_trust_ratio(const ck_context *context, const double *w_squares, const double *u_squares, double *factor) {
  factor_job job = {.w_squares = w_squares, .u_squares = u_squares, .factor = factor};
  return ck_submit(context, trust_program, &job, sizeof job, (ck_needs){.work_ns = 10});
}

static void rms_program(ck_worker *worker, const void *argument) {
  const factor_job *j = argument;
  if (ck_worker_index(worker) == 0) {
    const double n = (double)j->count, excess = __builtin_sqrt(*j->u_squares / n) / j->limit;
    const double own = j->w_squares ? __builtin_sqrt(*j->w_squares / n) : 1;
    const double reach = j->w_squares && !(own > j->floor) ? j->floor : own;
    *j->factor = reach / (excess > 1 ? excess : 1);
  }
  ck_barrier(worker);
}

ck_status ck_rms_factor(const ck_context *context, size_t count, const double *u_squares, double limit,
                        const double *w_squares, double floor, double *factor) {
  if (count == 0 || !(limit > 0) || (w_squares && !(floor >= 0))) return CK_BAD_ARGUMENT;
  factor_job job = {count, w_squares, u_squares, limit, floor, factor};
  return ck_submit(context, rms_program, &job, sizeof job, (ck_needs){.work_ns = 10});
}
