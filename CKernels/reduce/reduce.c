#include "ck_reduce.h"
#include "vector/widths.h"

typedef struct reduce_kernels {
  double (*product)(const float *x, const float *y, size_t count);
  bool (*finite)(const float *x, size_t count);
} reduce_kernels;
typedef struct reduce_job {
  const reduce_kernels *kernels;
  size_t count, chunks;
  const float *x, *y;
  double *sum;
  int32_t *finite;
} reduce_job;

#define CK_BODY "reduce/body.inc.h"
#include "runtime/each_width.inc.h"

static const ck_variant variants[] = {CK_EACH_WIDTH(CK_WIDTH_VARIANT)};
enum { VARIANTS = sizeof variants / sizeof variants[0] };
const ck_variant *ck_reduce_variants(size_t *count) { return *count = VARIANTS, variants; }

#define KERNELS(width) {inner_product_##width, finite_##width},
static const reduce_kernels kernels[] = {CK_EACH_WIDTH(KERNELS)};

static size_t chunk_count(const reduce_job *job, size_t task) {
  return ck_min(CK_FLAT_CHUNK, job->count - task * CK_FLAT_CHUNK);
}

static void product_chunk(ck_worker *worker, const void *argument, size_t task) {
  const reduce_job *job = argument;
  double *partials = ck_shared_scratch(worker);
  const size_t first = task * CK_FLAT_CHUNK;
  partials[task] = job->kernels->product(job->x + first, job->y + first, chunk_count(job, task));
}

static void product_program(ck_worker *worker, const void *argument) {
  const reduce_job *job = argument;
  ck_for(worker, job->chunks, product_chunk, job);
  if (ck_worker_index(worker) == 0) {
    double *partials = ck_shared_scratch(worker);
    for (size_t distance = 1; distance < job->chunks; distance *= 2)
      for (size_t c = 0; c + distance < job->chunks; c += 2 * distance) partials[c] += partials[c + distance];
    *job->sum = job->chunks ? partials[0] : 0;
  }
  ck_barrier(worker); // the next operation of a list may reuse the scratch or read the result
}

static void finite_chunk(ck_worker *worker, const void *argument, size_t task) {
  const reduce_job *job = argument;
  if (__atomic_load_n(job->finite, __ATOMIC_RELAXED) == 0) return;
  // Whoever finds one writes the same 0, so the outcome does not depend on who did.
  if (!job->kernels->finite(job->x + task * CK_FLAT_CHUNK, chunk_count(job, task)))
    __atomic_store_n(job->finite, 0, __ATOMIC_RELAXED);
}

static void finite_program(ck_worker *worker, const void *argument) {
  const reduce_job *job = argument;
  if (ck_worker_index(worker) == 0) __atomic_store_n(job->finite, 1, __ATOMIC_RELAXED);
  ck_barrier(worker);
  ck_for(worker, job->chunks, finite_chunk, job);
}

static reduce_job make_job(const ck_context *context, size_t count, const float *x) {
  return (reduce_job){
      .kernels = &kernels[ck_first_allowed(variants, VARIANTS, context)],
      .count = count,
      .chunks = ck_ceil_div(count, CK_FLAT_CHUNK),
      .x = x,
  };
}

ck_status ck_dot_f32(const ck_context *context, size_t count, const float *x, const float *y, double *result) {
  reduce_job job = make_job(context, count, x);
  job.y = y;
  job.sum = result;
  const double element_ns = x == y ? 0.12 : 0.2;
  ck_needs needs = {.shared_bytes = job.chunks * sizeof(double), .work_ns = 10 + (double)count * element_ns};
  return ck_submit(context, product_program, &job, sizeof job, needs);
}

ck_status ck_sum_of_squares_f32(const ck_context *context, size_t count, const float *x, double *result) {
  return ck_dot_f32(context, count, x, x, result);
}

typedef struct norm_job {
  size_t count;
  const double *squares;
  double *norm;
} norm_job;

static void norm_program(ck_worker *worker, const void *argument) {
  const norm_job *job = argument;
  if (ck_worker_index(worker) == 0) {
    double sum = 0;
    for (size_t i = 0; i < job->count; ++i) sum += job->squares[i];
    *job->norm = __builtin_sqrt(sum);
  }
  ck_barrier(worker);
}

ck_status ck_norm_f64(const ck_context *context, size_t count, const double *squares, double *norm) {
  norm_job job = {count, squares, norm};
  return ck_submit(context, norm_program, &job, sizeof job, (ck_needs){.work_ns = 10 + (double)count});
}

ck_status ck_all_finite_f32(const ck_context *context, size_t count, const float *x, int32_t *result) {
  reduce_job job = make_job(context, count, x);
  job.finite = result;
  return ck_submit(context, finite_program, &job, sizeof job, (ck_needs){.work_ns = 10 + (double)count * 0.1});
}
