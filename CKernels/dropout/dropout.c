// Driver of dropout: checks, splits into spans of whole blocks, chooses a width.
#include "ck_dropout.h"
#include "random/philox.h"
#include "vector/widths.h"

#define CK_BODY "dropout/body.inc.h"
#include "runtime/each_width.inc.h"

static const ck_variant variants[] = {CK_EACH_WIDTH(CK_WIDTH_VARIANT)};
enum { VARIANTS = sizeof variants / sizeof *variants };
typedef void kernel(const ck_philox *philox, uint64_t block, uint16_t threshold, float scale, size_t count,
                    const void *x, void *y, bool streams);
static kernel *const kernels[][2][2] = {// [x is bf16][y is bf16]
#define X(width) {{f32_f32_##width, f32_bf16_##width}, {bf16_f32_##width, bf16_bf16_##width}},
                                        CK_EACH_WIDTH(X)
#undef X
};

const ck_variant *ck_dropout_variants(size_t *count) {
  *count = VARIANTS;
  return variants;
}

typedef struct {
  ck_philox philox;
  kernel *kernel;
  uint64_t block;
  size_t count, x_bytes, y_bytes; // of an element
  const char *x;
  char *y;
  float scale;
  uint16_t threshold;
  bool streams;
} job;
enum { SPAN = 32768 }; // elements per task: a multiple of 32, so that every span of y keeps y's alignment

static void drop_span(ck_worker *worker, const void *argument, size_t task) {
  const job *j = argument;
  size_t from = task * SPAN;
  j->kernel(&j->philox, j->block + from / 8, j->threshold, j->scale, ck_min(SPAN, j->count - from),
            j->x + from * j->x_bytes, j->y + from * j->y_bytes, j->streams);
}

static void drop(ck_worker *worker, const void *argument) {
  const job *j = argument;
  ck_for(worker, ck_ceil_div(j->count, SPAN), drop_span, j);
}

ck_status ck_dropout(const ck_context *context, uint64_t seed, uint64_t stream, uint64_t first, double rate,
                     size_t count, const void *x, ck_type x_type, void *y, ck_type y_type) {
  if ((x_type != CK_F32 && x_type != CK_BF16) || (y_type != CK_F32 && y_type != CK_BF16)) return CK_BAD_ARGUMENT;
  if (first % 8 != 0 || first + count < first || !(rate >= 0 && rate < 1)) return CK_BAD_ARGUMENT;
  uint32_t threshold = (uint32_t)(65536 * rate + 0.5);
  if (threshold > 65535 || (count > 0 && x == y && x_type != y_type)) return CK_BAD_ARGUMENT;
  size_t variant = ck_first_allowed(variants, VARIANTS, context);
  if (count == 0 || (x == y && threshold == 0)) return CK_OK;
  job j = {
      .philox = ck_philox_schedule(seed, stream),
      .kernel = kernels[variant][x_type == CK_BF16][y_type == CK_BF16],
      .block = first / 8,
      .count = count,
      .x_bytes = ck_bytes_of(x_type),
      .y_bytes = ck_bytes_of(y_type),
      .x = x,
      .y = y,
      .scale = (float)(65536.0 / (65536 - threshold)),
      .threshold = (uint16_t)threshold,
  };
  // What does not fit the cache is better not read into it before it is overwritten.
  j.streams = x != y && (uintptr_t)y % 64 == 0 && (j.x_bytes + j.y_bytes) * count > ck_context_caches(context).l3;
  return ck_submit(context, drop, &j, sizeof j, (ck_needs){.work_ns = 0.4 * (double)count});
}
