// Drivers of requantization: check, split rows, choose a width.
#include "ck_requantize.h"
#include "vector/widths.h"

typedef struct requantize_job requantize_job;
typedef void requantize_kernel(const requantize_job *job, size_t first, size_t last); // rows
struct requantize_job {
  requantize_kernel *kernel;
  size_t rows, columns, rows_per_task;
  const int32_t *sums;
  const uint8_t *x;
  ck_requantization how;
  void *y;
};

// Rows that go through their blocks of columns together: few enough for sums to come from memory in streams and to stay
// in L1 from one block to the next, enough for what belongs to a column to be worth loading.
static size_t requantize_some_rows(const requantize_job *job) { return ck_max(8, 4096 / job->columns); }

#define CK_BODY "requantize/body.inc.h"
#include "runtime/each_width.inc.h"

static const ck_variant variants[] = {CK_EACH_WIDTH(CK_WIDTH_VARIANT)};
enum { VARIANTS = sizeof variants / sizeof *variants };
const ck_variant *ck_requantize_variants(size_t *count) { return *count = VARIANTS, variants; }

static const struct {
  requantize_kernel *u8, *s32, *row_sums;
} kernels[] = {
#define X(width) {requantize_u8_##width, requantize_s32_##width, row_sums_##width},
    CK_EACH_WIDTH(X)
#undef X
};

static void some_rows(ck_worker *worker, const void *argument, size_t task) {
  const requantize_job *job = argument;
  const size_t first = task * job->rows_per_task;
  job->kernel(job, first, ck_min(first + job->rows_per_task, job->rows));
}

static void program(ck_worker *worker, const void *argument) {
  const requantize_job *job = argument;
  ck_for(worker, ck_ceil_div(job->rows, job->rows_per_task), some_rows, job);
}

static ck_status submit(const ck_context *context, requantize_job job, double element_ns) {
  if (ck_product_overflows(job.rows, job.columns)) return CK_BAD_SHAPE;
  job.rows_per_task = ck_block_rows(job.columns);
  const double elements = (double)job.rows * (double)ck_max(1, job.columns);
  return ck_submit(context, program, &job, sizeof job, (ck_needs){.work_ns = elements * element_ns});
}

static bool is_requantization(const ck_requantization *how, size_t columns) {
  if (how->row_sums && !how->column_zeros) return false;
  for (size_t j = 0; j < columns; j++)
    if (how->multipliers[j] < 0 || how->shifts[j] < -30 || how->shifts[j] > 31) return false;
  return true;
}

ck_status ck_requantize_u8(const ck_context *context, size_t rows, size_t columns, const int32_t *sums,
                           ck_requantization how, uint8_t *y) {
  if (how.low < 0 || how.low > how.high || how.high > 255 || how.zero < 0 || how.zero > 255) return CK_BAD_ARGUMENT;
  if (!is_requantization(&how, columns)) return CK_BAD_ARGUMENT;
  if (rows == 0 || columns == 0) return CK_OK;
  return submit(context,
                (requantize_job){
                    .kernel = kernels[ck_first_allowed(variants, VARIANTS, context)].u8,
                    .rows = rows,
                    .columns = columns,
                    .sums = sums,
                    .how = how,
                    .y = y,
                },
                0.4);
}

ck_status ck_requantize_s32(const ck_context *context, size_t rows, size_t columns, const int32_t *sums,
                            ck_requantization how, int32_t *y) {
  if (how.zero != 0 || !is_requantization(&how, columns)) return CK_BAD_ARGUMENT;
  if (rows == 0 || columns == 0) return CK_OK;
  return submit(context,
                (requantize_job){
                    .kernel = kernels[ck_first_allowed(variants, VARIANTS, context)].s32,
                    .rows = rows,
                    .columns = columns,
                    .sums = sums,
                    .how = how,
                    .y = y,
                },
                0.4);
}

ck_status ck_row_sums_u8(const ck_context *context, size_t rows, size_t columns, const uint8_t *x, int32_t *sums) {
  if (rows == 0) return CK_OK;
  return submit(context,
                (requantize_job){
                    .kernel = kernels[ck_first_allowed(variants, VARIANTS, context)].row_sums,
                    .rows = rows,
                    .columns = columns,
                    .x = x,
                    .y = sums,
                },
                0.05);
}
