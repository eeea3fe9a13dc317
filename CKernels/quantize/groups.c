// Driver of the widening of 4-bit weights: checks, splits into groups of rows, chooses a width.
#include "ck_quantize.h"
#include "vector/widths.h"

#define CK_BODY "quantize/groups.inc.h"
#include "runtime/each_width.inc.h"

static const ck_variant variants[] = {CK_EACH_WIDTH(CK_WIDTH_VARIANT)};
enum { VARIANTS = sizeof variants / sizeof *variants };
typedef void widen_row(size_t columns, size_t group, const uint8_t *nibbles, const uint16_t *scales, float *y);
static widen_row *const kernels[] = {
#define X(width) widen_groups_##width,
    CK_EACH_WIDTH(X)
#undef X
};

typedef struct {
  widen_row *kernel;
  size_t rows, columns, group, rows_per_task;
  const uint8_t *nibbles;
  const uint16_t *scales;
  float *y;
} job;

static void some_rows(ck_worker *worker, const void *argument, size_t task) {
  const job *j = argument;
  const size_t from = task * j->rows_per_task, to = ck_min(from + j->rows_per_task, j->rows), n = j->columns;
  for (size_t i = from; i < to; i++)
    j->kernel(n, j->group, j->nibbles + i * (n / 2), j->scales + i * (n / j->group), j->y + i * n);
}

static void all_rows(ck_worker *worker, const void *argument) {
  const job *j = argument;
  ck_for(worker, ck_ceil_div(j->rows, j->rows_per_task), some_rows, j);
}

ck_status ck_dequantize_groups_s4_f32(const ck_context *context, size_t rows, size_t columns, size_t group,
                                      const uint8_t *nibbles, const uint16_t *scales, float *y) {
  size_t elements;
  if (group == 0 || group % 32 != 0 || columns % group != 0) return CK_BAD_SHAPE;
  if (__builtin_mul_overflow(rows, columns, &elements) || elements > SIZE_MAX / sizeof(float)) return CK_BAD_SHAPE;
  if (elements == 0) return CK_OK;
  const job j = {
      .kernel = kernels[ck_first_allowed(variants, VARIANTS, context)],
      .rows = rows,
      .columns = columns,
      .group = group,
      .rows_per_task = ck_max(1, 16384 / columns),
      .nibbles = nibbles,
      .scales = scales,
      .y = y,
  };
  return ck_submit(context, all_rows, &j, sizeof j, (ck_needs){.work_ns = 0.3 * (double)elements});
}
