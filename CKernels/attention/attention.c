// Drivers: check, choose the variant, split by sequence, head and (forward) chunk of queries.
#include "attention/attention.h"
#include "vector/widths.h"

const ck_variant *ck_attention_variants(size_t *count) {
  *count = ck_attention_f32_table.count;
  return ck_attention_f32_table.variants;
}

const ck_variant *ck_attention_bf16_variants(size_t *count) {
  *count = ck_attention_bf16_table.count;
  return ck_attention_bf16_table.variants;
}

// a b c d fits a byte count of floats with room to spare.
static bool fits(size_t a, size_t b, size_t c, size_t d) {
  size_t n;
  return !__builtin_mul_overflow(a, b, &n) && !__builtin_mul_overflow(n, c, &n) && !__builtin_mul_overflow(n, d, &n) &&
         n < SIZE_MAX / 256;
}

static const ck_attention_kernels *choose(const ck_context *context, ck_type type) {
  const ck_attention_table *table = type == CK_BF16 ? &ck_attention_bf16_table : &ck_attention_f32_table;
  return &table->kernels[ck_first_allowed(table->variants, table->count, context)];
}

static void inherit(size_t *row, size_t *batch, size_t from_row, size_t from_batch) {
  if (*row != 0) return;
  *row = from_row;
  *batch = from_batch;
}

// Checks what both passes have in common and fills in what may be left out.
static ck_status complete(ck_type type, ck_attention_mask mask, ck_attention_shape *shape) {
  if (type != CK_F32 && type != CK_BF16) return CK_BAD_ARGUMENT;
  if (mask != CK_ATTENTION_CAUSAL && mask != CK_ATTENTION_FULL) return CK_BAD_ARGUMENT;
  if (shape->kv_heads == 0) shape->kv_heads = shape->heads;
  if (shape->heads == 0 || shape->width == 0 || shape->heads % shape->kv_heads != 0) return CK_BAD_SHAPE;
  if (mask == CK_ATTENTION_CAUSAL && shape->keys < shape->queries) return CK_BAD_SHAPE;
  if (shape->keys == 0 && shape->queries != 0) return CK_BAD_SHAPE;
  const size_t length = ck_max(shape->queries, shape->keys);
  if (!fits(ck_max(shape->batch, 1), length, shape->heads, shape->width + CK_PAD)) return CK_BAD_SHAPE;
  const size_t columns = shape->heads * shape->width, kv_columns = shape->kv_heads * shape->width;
  if (shape->query_row < columns || shape->key_row < kv_columns || shape->value_row < kv_columns ||
      shape->output_row < columns)
    return CK_BAD_SHAPE;
  inherit(&shape->d_query_row, &shape->d_query_batch, shape->query_row, shape->query_batch);
  inherit(&shape->d_key_row, &shape->d_key_batch, shape->key_row, shape->key_batch);
  inherit(&shape->d_value_row, &shape->d_value_batch, shape->value_row, shape->value_batch);
  inherit(&shape->d_output_row, &shape->d_output_batch, shape->output_row, shape->output_batch);
  if (shape->d_query_row < columns || shape->d_key_row < kv_columns || shape->d_value_row < kv_columns ||
      shape->d_output_row < columns)
    return CK_BAD_SHAPE;
  return CK_OK;
}

// Multiply-adds of one product, at about the rate of one core.
static double product_ns(ck_type type, ck_attention_mask mask, const ck_attention_shape *shape) {
  double keys = (double)shape->keys - (mask == CK_ATTENTION_CAUSAL ? 0.5 * (double)shape->queries : 0);
  return (double)(shape->batch * shape->heads) * (double)shape->queries * keys * (double)shape->width /
         (type == CK_BF16 ? 60 : 40);
}

static ck_attention_job new_job(ck_attention_mask mask, ck_attention_shape shape) {
  return (ck_attention_job){.shape = shape,
                            .mask = mask,
                            .key_head = shape.width,
                            .value_head = shape.width,
                            .scale = (float)(1 / sqrt((double)shape.width)),
                            .scale2 = (float)(1.4426950408889634074 / sqrt((double)shape.width))};
}

static void run_forward(ck_worker *worker, const void *opaque) {
  const ck_attention_job *job = opaque;
  ck_for(worker, job->shape.batch * job->shape.heads * job->chunks, job->body, job);
}

ck_status ck_attention_plan(const ck_context *context, ck_type type, ck_attention_mask mask, ck_attention_shape shape,
                            ck_attention_job *job, ck_needs *needs, bool *empty) {
  ck_status status = complete(type, mask, &shape);
  if (status != CK_OK) return status;
  *empty = shape.batch == 0 || shape.queries == 0;
  if (*empty) return CK_OK;
  // Few heads: split the queries too, for each worker to have work, at the price of packing keys more than once.
  size_t tasks = shape.batch * shape.heads, workers = ck_context_workers(context);
  size_t wanted = tasks >= 4 * workers ? 1 : ck_ceil_div(4 * workers, tasks);
  size_t chunk = ck_round_up(ck_max(ck_ceil_div(shape.queries, wanted), 1), 8 * CK_BLOCK_ROWS);
  *job = new_job(mask, shape);
  job->chunk = ck_min(ck_min(chunk, CK_CHUNK), shape.queries);
  job->chunks = ck_ceil_div(shape.queries, job->chunk);
  job->body = choose(context, type)->forward;
  size_t rows = ck_round_up(job->chunk + CK_PAD, CK_PAD), padded = ck_round_up(shape.width, CK_PAD);
  // A tile of probabilities is read whole, from whichever row it begins with.
  size_t floats =
      2 * rows * padded + (CK_PAD + 1) * rows + 2 * CK_PANEL * padded + (CK_TILE_ROWS + CK_PAD) * (CK_PANEL + CK_PAD);
  *needs = (ck_needs){.worker_bytes = floats * sizeof(float), .work_ns = 2 * product_ns(type, mask, &shape)};
  return CK_OK;
}

ck_status ck_attention(const ck_context *context, ck_type type, ck_attention_mask mask, ck_attention_shape shape,
                       const void *query, const void *key, const void *value, void *output, float *log_sum_exp) {
  ck_attention_job job;
  ck_needs needs;
  bool empty;
  ck_status status = ck_attention_plan(context, type, mask, shape, &job, &needs, &empty);
  if (status != CK_OK || empty) return status;
  if (!query || !key || !value || !output) return CK_BAD_ARGUMENT;
  job.query = query;
  job.key = key;
  job.value = value;
  job.output = output;
  job.log_sum_exp = log_sum_exp;
  return ck_submit(context, run_forward, &job, sizeof job, needs);
}

static void run_backward(ck_worker *worker, const void *opaque) {
  const ck_attention_job *job = opaque;
  ck_for(worker, job->shape.batch * job->shape.kv_heads, job->body, job);
}

ck_status ck_attention_backward(const ck_context *context, ck_type type, ck_attention_mask mask,
                                ck_attention_shape shape, const void *d_output, const void *query, const void *key,
                                const void *value, const void *output, const float *log_sum_exp, void *d_query,
                                void *d_key, void *d_value) {
  ck_status status = complete(type, mask, &shape);
  if (status != CK_OK) return status;
  // Without queries the gradients of keys are zero, and somebody has to write them.
  if (shape.queries == 0 && shape.keys != 0) return CK_BAD_SHAPE;
  if (shape.batch == 0 || shape.queries == 0) return CK_OK;
  if (!d_output || !query || !key || !value || !output || !log_sum_exp || !d_query || !d_key || !d_value)
    return CK_BAD_ARGUMENT;
  ck_attention_job job = new_job(mask, shape);
  job.query = query;
  job.key = key;
  job.value = value;
  job.output = (void *)output;
  job.log_sum_exp = (float *)log_sum_exp;
  job.d_output = d_output;
  job.d_query = d_query;
  job.d_key = d_key;
  job.d_value = d_value;
  job.body = choose(context, type)->backward;
  size_t padded = ck_round_up(shape.width, CK_PAD), group = shape.heads / shape.kv_heads;
  // Of the forms of the backward pass the larger one, piece by piece.
  size_t rows = ck_round_up(shape.queries, CK_KEY_BLOCK),
         sums = group > 1 ? ck_round_up(shape.keys, CK_KEY_TILE) : CK_KEY_TILE;
  size_t floats = 5 * rows * padded + 2 * (rows + CK_PAD) + 2 * sums * padded + 4 * CK_KEY_TILE * padded +
                  2 * CK_QUERY_TILE * CK_TILE_ROW + 3 * CK_BLOCK_ROWS * CK_KEY_TILE;
  ck_needs needs = {.worker_bytes = floats * sizeof(float), .work_ns = 5 * product_ns(type, mask, &shape)};
  return ck_submit(context, run_backward, &job, sizeof job, needs);
}
