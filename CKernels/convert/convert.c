// Driver of conversions: splits into spans, chooses a width. See ck_convert.h for the rounding.
#include "ck_convert.h"
#include "vector/widths.h"

#define CK_BODY "convert/body.inc.h"
#include "runtime/each_width.inc.h"

static const ck_variant variants[] = {CK_EACH_WIDTH(CK_WIDTH_VARIANT)};
enum { VARIANTS = sizeof variants / sizeof *variants };
const ck_variant *ck_convert_variants(size_t *count) { return *count = VARIANTS, variants; }

typedef void kernel(size_t count, const void *from, void *to, bool streams);
typedef enum { F32_BF16, BF16_F32, F32_F16, F16_F32 } kind;
static kernel *const kernels[][4] = {
#define X(width) {f32_bf16_##width, bf16_f32_##width, f32_f16_##width, f16_f32_##width},
    CK_EACH_WIDTH(X)
#undef X
};

typedef struct {
  kernel *kernel;
  size_t count, from_bytes, to_bytes; // of an element
  const char *from;
  char *to;
  bool streams;
} job;
enum { SPAN = 32768 }; // elements per task: every span of y keeps y's alignment

static void convert_span(ck_worker *worker, const void *argument, size_t task) {
  const job *j = argument;
  size_t first = task * SPAN;
  j->kernel(ck_min(SPAN, j->count - first), j->from + first * j->from_bytes, j->to + first * j->to_bytes, j->streams);
}

static void convert(ck_worker *worker, const void *argument) {
  const job *j = argument;
  ck_for(worker, ck_ceil_div(j->count, SPAN), convert_span, j);
}

static ck_status submit(const ck_context *context, kind kind, size_t count, const void *x, void *y) {
  if (count > SIZE_MAX / sizeof(float)) return CK_BAD_SHAPE;
  if (count == 0) return CK_OK;
  bool widens = kind == BF16_F32 || kind == F16_F32;
  job j = {
      .kernel = kernels[ck_first_allowed(variants, VARIANTS, context)][kind],
      .count = count,
      .from_bytes = widens ? sizeof(uint16_t) : sizeof(float),
      .to_bytes = widens ? sizeof(float) : sizeof(uint16_t),
      .from = x,
      .to = y,
  };
  // What does not fit the cache is better not read into it before it is overwritten.
  j.streams = (uintptr_t)y % 64 == 0 && (sizeof(float) + sizeof(uint16_t)) * count > ck_context_caches(context).l3;
  return ck_submit(context, convert, &j, sizeof j, (ck_needs){.work_ns = 0.25 * (double)count});
}

ck_status ck_convert_f32_bf16(const ck_context *context, size_t count, const float *x, uint16_t *y) {
  return submit(context, F32_BF16, count, x, y);
}

ck_status ck_convert_bf16_f32(const ck_context *context, size_t count, const uint16_t *x, float *y) {
  return submit(context, BF16_F32, count, x, y);
}

ck_status ck_convert_f32_f16(const ck_context *context, size_t count, const float *x, uint16_t *y) {
  return submit(context, F32_F16, count, x, y);
}

ck_status ck_convert_f16_f32(const ck_context *context, size_t count, const uint16_t *x, float *y) {
  return submit(context, F16_F32, count, x, y);
}
