// Driver of the bit masks: checks what comes from files, splits into groups of rows, chooses a variant.
#include "ck_bitmask.h"
#include "bitmask/kernels.h"
#include "runtime/isa.h"
#include "vector/widths.h"

static const ck_variant variants[] = {
#define CK_BITMASK(name, needs) {#name, needs},
#include "bitmask/variants.inc.h"
#undef CK_BITMASK
};
enum { VARIANTS = sizeof variants / sizeof *variants };
static const ck_bitmask_kernels *const kernels[] = {
#define CK_BITMASK(name, needs) &ck_bitmask_##name,
#include "bitmask/variants.inc.h"
#undef CK_BITMASK
};

const ck_variant *ck_bitmask_variants(size_t *count) {
  *count = VARIANTS;
  return variants;
}

typedef enum { MASK_F32, MASK_S8, COMPRESS_F32, COMPRESS_S8, EXPAND_F32, EXPAND_S8, APPLY_F32 } kind;
typedef struct {
  kind kind;
  const ck_bitmask_kernels *kernels;
  size_t rows, columns, mask_columns, rows_per_task, count;
  const void *from;
  void *to;
  const uint8_t *mask;
  uint8_t *new_mask;
  const int64_t *offsets;
  int64_t *new_offsets, *total;
} job;

// Set bits of a row; SIZE_MAX when a padding bit is set.
static size_t row_count(const uint8_t *mask, size_t columns) {
  size_t bytes = ck_ceil_div(columns, 8), count = 0, i = 0;
  if (columns % 8 != 0 && mask[bytes - 1] >> columns % 8 != 0) return SIZE_MAX;
  for (; i + 8 <= bytes; i += 8) {
    uint64_t bits;
    __builtin_memcpy(&bits, mask + i, 8);
    count += (size_t)__builtin_popcountll(bits);
  }
  for (; i < bytes; i++) count += (size_t)__builtin_popcount(mask[i]);
  return count;
}

static void one_row(const job *j, size_t i) {
  const ck_bitmask_kernels *k = j->kernels;
  size_t n = j->columns;
  const uint8_t *mask = j->mask ? j->mask + i * j->mask_columns : NULL;
  uint8_t *new_mask = j->new_mask ? j->new_mask + i * j->mask_columns : NULL;
  size_t first = 0, count = 0;
  if (j->offsets) {
    // Checked when the operation was called; in a list that may be long ago, and overruns are not an option.
    size_t end = i + 1 < j->rows ? (size_t)j->offsets[i + 1] : j->count;
    first = (size_t)j->offsets[i];
    if (first > end || end > j->count || row_count(mask, n) != end - first) return;
    count = end - first;
  }
  switch (j->kind) {
  // The counts go where the offsets will be.
  case MASK_F32:
    j->new_offsets[i] = (int64_t)k->mask_f32((const float *)j->from + i * n, n, new_mask);
    break;
  case MASK_S8:
    j->new_offsets[i] = (int64_t)k->mask_s8((const int8_t *)j->from + i * n, n, new_mask);
    break;
  case COMPRESS_F32:
    k->compress_f32((const float *)j->from + i * n, mask, n, (float *)j->to + first, count);
    break;
  case COMPRESS_S8:
    k->compress_s8((const int8_t *)j->from + i * n, mask, n, (int8_t *)j->to + first, count);
    break;
  case EXPAND_F32:
    k->expand_f32((const float *)j->from + first, count, mask, n, (float *)j->to + i * n);
    break;
  case EXPAND_S8:
    k->expand_s8((const int8_t *)j->from + first, count, mask, n, (int8_t *)j->to + i * n);
    break;
  case APPLY_F32:
    k->apply_f32(mask, n, (float *)j->to + i * n);
    break;
  }
}

static void some_rows(ck_worker *worker, const void *argument, size_t task) {
  const job *j = argument;
  size_t from = task * j->rows_per_task, to = ck_min(from + j->rows_per_task, j->rows);
  for (size_t i = from; i < to; i++) one_row(j, i);
}

static void all_rows(ck_worker *worker, const void *argument) {
  const job *j = argument;
  ck_for(worker, ck_ceil_div(j->rows, j->rows_per_task), some_rows, j);
  if (!j->new_offsets) return;
  if (ck_worker_index(worker) == 0) {
    int64_t sum = 0;
    for (size_t i = 0; i < j->rows; i++) {
      int64_t count = j->new_offsets[i];
      j->new_offsets[i] = sum;
      sum += count;
    }
    *j->total = sum;
  }
  ck_barrier(worker);
}

static bool consistent(const job *j) {
  size_t sum = 0;
  for (size_t i = 0; i < j->rows; i++) {
    if (j->offsets[i] < 0 || (size_t)j->offsets[i] != sum) return false;
    size_t count = row_count(j->mask + i * j->mask_columns, j->columns);
    if (count == SIZE_MAX) return false;
    sum += count;
  }
  return sum == j->count;
}

static ck_status submit(const ck_context *context, job j) {
  size_t elements;
  if (__builtin_mul_overflow(j.rows, j.columns, &elements)) return CK_BAD_SHAPE;
  j.mask_columns = ck_ceil_div(j.columns, 8);
  if (j.offsets && !consistent(&j)) return CK_BAD_ARGUMENT;
  j.kernels = kernels[ck_first_allowed(variants, VARIANTS, context)];
  j.rows_per_task = ck_max(1, 32768 / ck_max(j.columns, 1));
  return ck_submit(context, all_rows, &j, sizeof j, (ck_needs){.work_ns = 0.5 * (double)elements + 1});
}

ck_status ck_bitmask_f32(const ck_context *context, size_t rows, size_t columns, const float *x, uint8_t *mask,
                         int64_t *row_offsets, int64_t *total) {
  return submit(context, (job){.kind = MASK_F32,
                               .rows = rows,
                               .columns = columns,
                               .from = x,
                               .new_mask = mask,
                               .new_offsets = row_offsets,
                               .total = total});
}

ck_status ck_bitmask_s8(const ck_context *context, size_t rows, size_t columns, const int8_t *x, uint8_t *mask,
                        int64_t *row_offsets, int64_t *total) {
  return submit(context, (job){.kind = MASK_S8,
                               .rows = rows,
                               .columns = columns,
                               .from = x,
                               .new_mask = mask,
                               .new_offsets = row_offsets,
                               .total = total});
}

static ck_status move(const ck_context *context, kind kind, size_t rows, size_t columns, const void *from,
                      const uint8_t *mask, const int64_t *row_offsets, size_t count, void *to) {
  return submit(context, (job){.kind = kind,
                               .rows = rows,
                               .columns = columns,
                               .from = from,
                               .mask = mask,
                               .offsets = row_offsets,
                               .count = count,
                               .to = to});
}

ck_status ck_bitmask_compress_f32(const ck_context *context, size_t rows, size_t columns, const float *x,
                                  const uint8_t *mask, const int64_t *row_offsets, size_t count, float *values) {
  return move(context, COMPRESS_F32, rows, columns, x, mask, row_offsets, count, values);
}

ck_status ck_bitmask_compress_s8(const ck_context *context, size_t rows, size_t columns, const int8_t *x,
                                 const uint8_t *mask, const int64_t *row_offsets, size_t count, int8_t *values) {
  return move(context, COMPRESS_S8, rows, columns, x, mask, row_offsets, count, values);
}

ck_status ck_bitmask_expand_f32(const ck_context *context, size_t rows, size_t columns, const float *values,
                                size_t count, const uint8_t *mask, const int64_t *row_offsets, float *y) {
  return move(context, EXPAND_F32, rows, columns, values, mask, row_offsets, count, y);
}

ck_status ck_bitmask_expand_s8(const ck_context *context, size_t rows, size_t columns, const int8_t *values,
                               size_t count, const uint8_t *mask, const int64_t *row_offsets, int8_t *y) {
  return move(context, EXPAND_S8, rows, columns, values, mask, row_offsets, count, y);
}

ck_status ck_bitmask_apply_f32(const ck_context *context, size_t rows, size_t columns, const uint8_t *mask, float *y) {
  return submit(context, (job){.kind = APPLY_F32, .rows = rows, .columns = columns, .mask = mask, .to = y});
}
