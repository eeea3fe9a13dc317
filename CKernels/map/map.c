#include "ck_map.h"
#include "vector/widths.h"

typedef void map_kernel(const float *x, float *y, size_t count);
typedef struct map_job {
  map_kernel *kernel;
  size_t count;
  const float *x;
  float *y;
} map_job;

#define CK_BODY "map/body.inc.h"
#include "runtime/each_width.inc.h"

static const ck_variant variants[] = {CK_EACH_WIDTH(CK_WIDTH_VARIANT)};
enum { VARIANTS = sizeof variants / sizeof variants[0] };
const ck_variant *ck_map_variants(size_t *count) { return *count = VARIANTS, variants; }

#define KERNELS(width)                                                                                                 \
  {map_exp_##width,     map_log_##width, map_tanh_##width, map_erf_##width,                                            \
   map_sigmoid_##width, map_sin_##width, map_cos_##width},
static map_kernel *const kernels[][CK_FUNCTIONS] = {CK_EACH_WIDTH(KERNELS)};

enum { CHUNK = 2048 };

static void chunk(ck_worker *worker, const void *argument, size_t task) {
  const map_job *job = argument;
  size_t first = task * CHUNK;
  job->kernel(job->x + first, job->y + first, ck_min(CHUNK, job->count - first));
}

static void program(ck_worker *worker, const void *argument) {
  const map_job *job = argument;
  ck_for(worker, ck_ceil_div(job->count, CHUNK), chunk, job);
}

ck_status ck_map_f32(const ck_context *context, ck_function function, size_t count, const float *x, float *y) {
  if (function < 0 || function >= CK_FUNCTIONS) return CK_BAD_ARGUMENT;
  if (count == 0) return CK_OK;
  map_kernel *kernel = kernels[ck_first_allowed(variants, VARIANTS, context)][function];
  map_job job = {.kernel = kernel, .count = count, .x = x, .y = y};
  return ck_submit(context, program, &job, sizeof job, (ck_needs){.work_ns = (double)count * 0.5});
}
