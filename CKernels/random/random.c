// Driver of the random numbers: checks, splits into spans of whole blocks, chooses a width.
#include "ck_random.h"
#include "random/philox.h"
#include "vector/widths.h"

#define CK_BODY "random/body.inc.h"
#include "runtime/each_width.inc.h"

static const ck_variant variants[] = {CK_EACH_WIDTH(CK_WIDTH_VARIANT)};
enum { VARIANTS = sizeof variants / sizeof *variants };
static const struct {
  void (*bits)(const ck_philox *, uint64_t block, size_t count, uint32_t *out);
  void (*uniform)(const ck_philox *, uint64_t block, size_t count, float *out);
  void (*normal)(const ck_philox *, uint64_t block, size_t count, float mean, float deviation, float *out);
} kernels[] = {
#define X(width) {bits_##width, uniform_##width, normal_##width},
    CK_EACH_WIDTH(X)
#undef X
};

const ck_variant *ck_random_variants(size_t *count) {
  *count = VARIANTS;
  return variants;
}

typedef enum { BITS, UNIFORM, NORMAL } kind;
typedef struct {
  ck_philox philox;
  size_t variant, count;
  uint64_t block;
  void *out;
  float mean, deviation;
  kind kind;
} job;
enum { SPAN = 32768 }; // numbers per task: a multiple of 4

static void fill_span(ck_worker *worker, const void *argument, size_t task) {
  const job *j = argument;
  size_t from = task * SPAN, count = ck_min(SPAN, j->count - from);
  uint64_t block = j->block + from / 4;
  switch (j->kind) {
  case BITS:
    kernels[j->variant].bits(&j->philox, block, count, (uint32_t *)j->out + from);
    break;
  case UNIFORM:
    kernels[j->variant].uniform(&j->philox, block, count, (float *)j->out + from);
    break;
  case NORMAL:
    kernels[j->variant].normal(&j->philox, block, count, j->mean, j->deviation, (float *)j->out + from);
    break;
  }
}

static void fill(ck_worker *worker, const void *argument) {
  const job *j = argument;
  ck_for(worker, ck_ceil_div(j->count, SPAN), fill_span, j);
}

static ck_status submit(const ck_context *context, uint64_t seed, uint64_t stream, uint64_t first, job j) {
  if (first % 4 != 0 || first + j.count < first) return CK_BAD_ARGUMENT;
  j.variant = ck_first_allowed(variants, VARIANTS, context);
  if (j.count == 0) return CK_OK;
  j.philox = ck_philox_schedule(seed, stream);
  j.block = first / 4;
  ck_needs needs = {.work_ns = (double)j.count * (j.kind == NORMAL ? 2 : 0.5)};
  return ck_submit(context, fill, &j, sizeof j, needs);
}

ck_status ck_random_bits_u32(const ck_context *context, uint64_t seed, uint64_t stream, uint64_t first, size_t count,
                             uint32_t *out) {
  return submit(context, seed, stream, first, (job){.kind = BITS, .count = count, .out = out});
}

ck_status ck_random_uniform_f32(const ck_context *context, uint64_t seed, uint64_t stream, uint64_t first, size_t count,
                                float *out) {
  return submit(context, seed, stream, first, (job){.kind = UNIFORM, .count = count, .out = out});
}

ck_status ck_random_normal_f32(const ck_context *context, uint64_t seed, uint64_t stream, uint64_t first, size_t count,
                               float mean, float deviation, float *out) {
  return submit(context, seed, stream, first,
                (job){.kind = NORMAL, .count = count, .out = out, .mean = mean, .deviation = deviation});
}
