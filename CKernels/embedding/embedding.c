// Drivers: check, choose the width, split.
#include "embedding/embedding.h"
#include <string.h>
#define CK_BODY "embedding/body.inc.h"
#include "runtime/each_width.inc.h"
#include "vector/widths.h"

typedef struct ck_embedding_kernels {
  ck_body *forward, *table, *positions;
} ck_embedding_kernels;

static const ck_variant variants[] = {CK_EACH_WIDTH(CK_WIDTH_VARIANT)};
static const ck_embedding_kernels kernels[] = {
#define CK_ROW(suffix) {ck_embedding_forward_##suffix, ck_embedding_table_##suffix, ck_embedding_positions_##suffix},
    CK_EACH_WIDTH(CK_ROW)
#undef CK_ROW
};
enum { VARIANTS = sizeof variants / sizeof *variants };

const ck_variant *ck_embedding_variants(size_t *count) {
  *count = VARIANTS;
  return variants;
}

// More classes than ids can name would let negative ids pass.
static bool overflows(size_t rows, size_t vocabulary, size_t positions, size_t columns) {
  return vocabulary > (size_t)INT32_MAX + 1 ||
         ck_product_overflows(ck_max(ck_max(rows, vocabulary), positions), columns);
}

// A list does not look at ids before it runs.
static bool in_range(const ck_context *context, const int32_t *ids, size_t rows, size_t vocabulary) {
  if (ck_context_notes(context)) return true;
  uint32_t highest = 0; // negative ids are the highest
  for (size_t i = 0; i < rows; i++) highest = (uint32_t)ids[i] > highest ? (uint32_t)ids[i] : highest;
  return rows == 0 || highest < vocabulary;
}

static void run_forward(ck_worker *worker, const void *opaque) {
  const ck_embedding_job *job = opaque;
  ck_for(worker, ck_ceil_div(job->rows, CK_EMBEDDING_ROWS), job->body, job);
}

static ck_status submit_forward(const ck_context *context, ck_embedding_job job) {
  if (overflows(job.rows, job.vocabulary, job.position_count, job.columns)) return CK_BAD_SHAPE;
  if (job.rows == 0 || job.columns == 0) return CK_OK;
  if (!job.ids || !job.table || !job.y || !in_range(context, job.ids, job.rows, job.vocabulary)) return CK_BAD_ARGUMENT;
  if (job.positions) {
    if (job.length == 0) return CK_BAD_SHAPE;
    const size_t used = ck_min(job.length, job.rows);
    if (used > job.position_count) return CK_BAD_ARGUMENT;
    // A list does not look at the offset before it runs.
    const bool known = !job.offset_at || !ck_context_notes(context);
    const size_t offset = !known ? 0 : job.offset_at ? (size_t)*job.offset_at : job.offset;
    if (offset > job.position_count - used) return CK_BAD_ARGUMENT;
  }
  job.body = kernels[ck_first_allowed(variants, VARIANTS, context)].forward;
  ck_needs needs = {.work_ns = (double)job.rows * (double)job.columns * 0.5};
  return ck_submit(context, run_forward, &job, sizeof job, needs);
}

ck_status ck_embedding_f32(const ck_context *context, const int32_t *ids, size_t rows, size_t columns,
                           const float *table, size_t vocabulary, const float *positions, size_t position_count,
                           size_t length, size_t position_offset, float *y) {
  const ck_embedding_job job = {.ids = ids,
                                .rows = rows,
                                .columns = columns,
                                .vocabulary = vocabulary,
                                .length = positions ? length : 1,
                                .offset = position_offset,
                                .position_count = position_count,
                                .table = table,
                                .positions = positions,
                                .y = y};
  return submit_forward(context, job);
}

ck_status ck_embedding_after_f32(const ck_context *context, const int32_t *ids, size_t rows, size_t columns,
                                 const float *table, size_t vocabulary, const float *positions, size_t position_count,
                                 const int64_t *offset, float *y) {
  if (!positions || !offset) return CK_BAD_ARGUMENT;
  const ck_embedding_job job = {.ids = ids,
                                .rows = rows,
                                .columns = columns,
                                .vocabulary = vocabulary,
                                .length = rows,
                                .offset_at = offset,
                                .position_count = position_count,
                                .table = table,
                                .positions = positions,
                                .y = y};
  return submit_forward(context, job);
}

static void run_backward(ck_worker *worker, const void *opaque) {
  const ck_embedding_backward_job *job = opaque;
  ck_for(worker, ck_ceil_div(job->columns, job->slice), job->table_body, job);
  if (job->d_positions) ck_for(worker, ck_min(job->length, job->rows), job->position_body, job);
}

ck_status ck_embedding_backward_f32(const ck_context *context, const int32_t *ids, size_t rows, size_t columns,
                                    const float *dy, float *d_table, size_t vocabulary, float *d_positions,
                                    size_t position_count, size_t length, ck_store store) {
  if (overflows(rows, vocabulary, position_count, columns)) return CK_BAD_SHAPE;
  if (rows == 0 || columns == 0) return CK_OK;
  if (!ids || !dy || !d_table || !in_range(context, ids, rows, vocabulary)) return CK_BAD_ARGUMENT;
  if (store != CK_REPLACE && store != CK_ACCUMULATE) return CK_BAD_ARGUMENT;
  if (d_positions) {
    if (length == 0) return CK_BAD_SHAPE;
    if (ck_min(length, rows) > position_count) return CK_BAD_ARGUMENT;
  }
  const ck_embedding_kernels *kernel = &kernels[ck_first_allowed(variants, VARIANTS, context)];
  // As many slices as workers, as long as they can be had: a row of dy and of the table is then read in long pieces.
  // Which slice adds an element does not change its bits.
  size_t slice = ck_round_up(ck_ceil_div(columns, ck_context_workers(context)), CK_EMBEDDING_COLUMNS);
  ck_embedding_backward_job job = {.ids = ids,
                                   .rows = rows,
                                   .columns = columns,
                                   .vocabulary = vocabulary,
                                   .length = length,
                                   .slice = slice,
                                   .store = store,
                                   .dy = dy,
                                   .d_table = d_table,
                                   .d_positions = d_positions,
                                   .table_body = kernel->table,
                                   .position_body = kernel->positions};
  ck_needs needs = {.work_ns = (double)rows * (double)columns};
  return ck_submit(context, run_backward, &job, sizeof job, needs);
}
