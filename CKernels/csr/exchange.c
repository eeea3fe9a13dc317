// Dense matrices to compressed sparse rows and back.
#include "csr/csr.h"
#include "vector/widths.h"
#include <string.h>

typedef struct {
  size_t rows, columns, per_task;
  const float *x;
  float *y;
  int64_t *new_offsets;
  ck_csr_arrays arrays;
  int32_t *new_columns;
  float *new_values;
} exchange_job;

static size_t count_row(const float *x, size_t columns) {
  size_t count = 0;
  for (size_t j = 0; j < columns; j++) count += x[j] != 0;
  return count;
}

// The row's part of the arrays. Offsets were checked when the operation was called, which in a list may be long ago.
static bool row_elements(const exchange_job *job, size_t row, size_t *first, size_t *count) {
  const int64_t start = job->arrays.row_offsets[row], end = job->arrays.row_offsets[row + 1];
  if (start < 0 || end < start || (uint64_t)end > job->arrays.count) return false;
  *first = (size_t)start;
  *count = (size_t)(end - start);
  return true;
}

static void fill_row(const exchange_job *job, size_t row) {
  const float *x = job->x + row * job->columns;
  size_t e, count;
  if (!row_elements(job, row, &e, &count) || count_row(x, job->columns) != count) return;
  for (size_t j = 0; j < job->columns; j++)
    if (x[j] != 0) {
      job->new_columns[e] = (int32_t)j;
      job->new_values[e++] = x[j];
    }
}

static float element(const ck_csr_arrays *arrays, size_t e) {
  if (arrays->type == CK_F32) return ((const float *)arrays->values)[e];
  const uint32_t bits = (uint32_t)((const uint16_t *)arrays->values)[e] << 16;
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

static void expand_row(const exchange_job *job, size_t row) {
  float *y = job->y + row * job->columns;
  size_t first, count;
  if (!row_elements(job, row, &first, &count)) return;
  memset(y, 0, job->columns * sizeof *y);
  for (size_t e = first; e < first + count; e++) {
    const int32_t column = job->arrays.columns[e];
    if (column >= 0 && (size_t)column < job->columns) y[column] = element(&job->arrays, e);
  }
}

static void some_rows(ck_worker *worker, const void *argument, size_t task) {
  const exchange_job *job = argument;
  const size_t end = ck_min((task + 1) * job->per_task, job->rows);
  for (size_t row = task * job->per_task; row < end; row++)
    if (job->new_offsets)
      job->new_offsets[row + 1] = (int64_t)count_row(job->x + row * job->columns, job->columns);
    else if (job->y)
      expand_row(job, row);
    else
      fill_row(job, row);
}

static void program(ck_worker *worker, const void *argument) {
  const exchange_job *job = argument;
  ck_for(worker, ck_ceil_div(job->rows, job->per_task), some_rows, job);
  if (!job->new_offsets) return;
  if (ck_worker_index(worker) == 0) {
    job->new_offsets[0] = 0;
    for (size_t i = 0; i < job->rows; i++) job->new_offsets[i + 1] += job->new_offsets[i];
  }
  ck_barrier(worker);
}

static ck_status submit(const ck_context *context, exchange_job job) {
  if (ck_product_overflows(job.rows, job.columns) || job.columns > INT32_MAX) return CK_BAD_SHAPE;
  job.per_task = ck_block_rows(job.columns);
  const ck_needs needs = {.work_ns = 0.5 * (double)job.rows * (double)job.columns + 1};
  return ck_submit(context, program, &job, sizeof job, needs);
}

ck_status ck_csr_count_f32(const ck_context *context, size_t rows, size_t columns, const float *x,
                           int64_t *row_offsets) {
  if (!row_offsets || (rows && columns && !x)) return CK_BAD_ARGUMENT;
  return submit(context, (exchange_job){.rows = rows, .columns = columns, .x = x, .new_offsets = row_offsets});
}

static bool run_to(const int64_t *offsets, size_t rows, size_t count) {
  if (offsets[0] != 0) return false;
  for (size_t i = 0; i < rows; i++)
    if (offsets[i + 1] < offsets[i]) return false;
  return (size_t)offsets[rows] == count;
}

ck_status ck_csr_fill_f32(const ck_context *context, size_t rows, size_t columns, const float *x,
                          const int64_t *row_offsets, size_t count, int32_t *column, float *values) {
  if (!row_offsets || (rows && columns && !x) || (count && (!column || !values))) return CK_BAD_ARGUMENT;
  if (!run_to(row_offsets, rows, count)) return CK_BAD_ARGUMENT;
  return submit(context, (exchange_job){.rows = rows,
                                        .columns = columns,
                                        .x = x,
                                        .arrays = {.row_offsets = row_offsets, .count = count},
                                        .new_columns = column,
                                        .new_values = values});
}

ck_status ck_csr_expand_f32(const ck_context *context, size_t rows, size_t columns, ck_csr_arrays arrays, float *y) {
  size_t row;
  if (arrays.type != CK_F32 && arrays.type != CK_BF16) return CK_BAD_ARGUMENT;
  if (!arrays.row_offsets || (arrays.count && (!arrays.columns || !arrays.values))) return CK_BAD_ARGUMENT;
  if (rows && columns && !y) return CK_BAD_ARGUMENT;
  if (ck_csr_check(rows, columns, arrays, &row) != CK_CSR_SOUND) return CK_BAD_ARGUMENT;
  return submit(context, (exchange_job){.rows = rows, .columns = columns, .y = y, .arrays = arrays});
}
