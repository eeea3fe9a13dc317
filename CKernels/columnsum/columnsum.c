#include "ck_columnsum.h"
#include "vector/widths.h"
#include <string.h>

typedef struct columnsum_kernels {
  void (*rows[2])(const void *x, size_t rows, size_t columns, float *sum); // f32, bf16
  void (*tree)(float *partials, size_t chunks, size_t columns, size_t first, size_t last, ck_store store, float *y);
} columnsum_kernels;
typedef struct columnsum_job {
  const columnsum_kernels *kernels;
  size_t rows, columns, chunk_rows, chunks;
  const void *x;
  ck_type type;
  float *y;
  ck_store store;
} columnsum_job;

#define CK_BODY "columnsum/body.inc.h"
#include "runtime/each_width.inc.h"

static const ck_variant variants[] = {CK_EACH_WIDTH(CK_WIDTH_VARIANT)};
enum { VARIANTS = sizeof variants / sizeof variants[0] };
const ck_variant *ck_columnsum_variants(size_t *count) { return *count = VARIANTS, variants; }

#define KERNELS(width) {{sum_rows_##width, sum_rows_bf16_##width}, sum_tree_##width},
static const columnsum_kernels kernels[] = {CK_EACH_WIDTH(KERNELS)};

static void chunk(ck_worker *worker, const void *argument, size_t task) {
  const columnsum_job *job = argument;
  float *sum = (float *)ck_shared_scratch(worker) + task * job->columns;
  memset(sum, 0, job->columns * sizeof *sum);
  size_t first = task * job->chunk_rows, last = ck_min(first + job->chunk_rows, job->rows);
  const bool is_bf16 = job->type == CK_BF16;
  const char *x = (const char *)job->x + first * job->columns * (is_bf16 ? 2 : 4);
  job->kernels->rows[is_bf16](x, last - first, job->columns, sum);
}

static void tree(ck_worker *worker, const void *argument, size_t task) {
  const columnsum_job *job = argument;
  size_t first = task * CK_COLUMN_BLOCK, last = ck_min(first + CK_COLUMN_BLOCK, job->columns);
  job->kernels->tree(ck_shared_scratch(worker), job->chunks, job->columns, first, last, job->store, job->y);
}

static void program(ck_worker *worker, const void *argument) {
  const columnsum_job *job = argument;
  ck_for(worker, job->chunks, chunk, job);
  ck_for(worker, ck_ceil_div(job->columns, CK_COLUMN_BLOCK), tree, job);
}

ck_status ck_columnsum(const ck_context *context, size_t rows, size_t columns, const void *x, ck_type x_type, float *y,
                       ck_store store) {
  if (ck_product_overflows(rows, columns)) return CK_BAD_SHAPE;
  if (x_type != CK_F32 && x_type != CK_BF16) return CK_BAD_ARGUMENT;
  if (columns == 0 || (rows == 0 && store == CK_ACCUMULATE)) return CK_OK;
  columnsum_job job = {
      .kernels = &kernels[ck_first_allowed(variants, VARIANTS, context)],
      .rows = rows,
      .columns = columns,
      .chunk_rows = ck_chunk_rows(rows),
      .chunks = ck_max(1, ck_ceil_div(rows, ck_chunk_rows(rows))), // without rows one chunk of zeros
      .x = x,
      .type = x_type,
      .y = y,
      .store = store,
  };
  ck_needs needs = {
      .shared_bytes = job.chunks * columns * sizeof(float),
      .work_ns = (double)ck_max(1, rows) * (double)columns * 0.12,
  };
  return ck_submit(context, program, &job, sizeof job, needs);
}
