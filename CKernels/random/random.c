// Driver of the random numbers: checks, splits into spans of whole blocks, chooses a width.
#include "ck_random.h"
#include "random/philox.h"
#include "vector/widths.h"

#define CK_BODY "random/body.inc.h"
#include "runtime/each_width.inc.h"

static const ck_variant variants[] = {CK_EACH_WIDTH(CK_WIDTH_VARIANT)};
enum { VARIANTS = sizeof variants / sizeof *variants };
typedef void kernel(const ck_philox *philox, uint64_t block, size_t count, float mean, float deviation, uint32_t *out,
                    bool streams);
typedef enum { BITS, UNIFORM, NORMAL } kind;
static kernel *const kernels[][3] = {
#define X(width) {bits_##width, uniform_##width, normal_##width},
    CK_EACH_WIDTH(X)
#undef X
};

const ck_variant *ck_random_variants(size_t *count) {
  *count = VARIANTS;
  return variants;
}

typedef struct {
  ck_philox philox;
  kernel *kernel;
  size_t count;
  uint64_t block;
  uint32_t *out;
  float mean, deviation;
  bool streams;
} job;
enum { SPAN = 32768 }; // numbers per task: a multiple of 16, so that every span keeps the alignment of out

static void fill_span(ck_worker *worker, const void *argument, size_t task) {
  const job *j = argument;
  size_t from = task * SPAN, count = ck_min(SPAN, j->count - from);
  j->kernel(&j->philox, j->block + from / 4, count, j->mean, j->deviation, j->out + from, j->streams);
}

static void fill(ck_worker *worker, const void *argument) {
  const job *j = argument;
  ck_for(worker, ck_ceil_div(j->count, SPAN), fill_span, j);
}

static ck_status submit(const ck_context *context, kind kind, uint64_t seed, uint64_t stream, uint64_t first, job j) {
  if (first % 4 != 0 || first + j.count < first) return CK_BAD_ARGUMENT;
  if (j.count == 0) return CK_OK;
  j.kernel = kernels[ck_first_allowed(variants, VARIANTS, context)][kind];
  j.philox = ck_philox_schedule(seed, stream);
  j.block = first / 4;
  // What does not fit the cache is better not read into it before it is overwritten.
  j.streams = (uintptr_t)j.out % 64 == 0 && j.count > ck_context_caches(context).l3 / sizeof *j.out;
  ck_needs needs = {.work_ns = (double)j.count * (kind == NORMAL ? 1 : 0.4)};
  return ck_submit(context, fill, &j, sizeof j, needs);
}

ck_status ck_random_bits_u32(const ck_context *context, uint64_t seed, uint64_t stream, uint64_t first, size_t count,
                             uint32_t *out) {
  return submit(context, BITS, seed, stream, first, (job){.count = count, .out = out});
}

ck_status ck_random_uniform_f32(const ck_context *context, uint64_t seed, uint64_t stream, uint64_t first, size_t count,
                                float *out) {
  return submit(context, UNIFORM, seed, stream, first, (job){.count = count, .out = (uint32_t *)out});
}

ck_status ck_random_normal_f32(const ck_context *context, uint64_t seed, uint64_t stream, uint64_t first, size_t count,
                               float mean, float deviation, float *out) {
  return submit(context, NORMAL, seed, stream, first,
                (job){.count = count, .out = (uint32_t *)out, .mean = mean, .deviation = deviation});
}
