// Drivers: check, choose the width, split by sequence, head and (forward) chunk of queries.
#include "attention/attention.h"
#define CK_BODY "attention/body.inc.h"
#include "runtime/each_width.inc.h"
#include "vector/widths.h"

typedef struct ck_attention_kernels {
  ck_body *forward, *backward;
} ck_attention_kernels;

static const ck_variant variants[] = {CK_EACH_WIDTH(CK_WIDTH_VARIANT)};
static const ck_attention_kernels kernels[] = {
#define CK_ROW(suffix) {ck_attention_forward_##suffix, ck_attention_backward_##suffix},
    CK_EACH_WIDTH(CK_ROW)
#undef CK_ROW
};
enum { VARIANTS = sizeof variants / sizeof *variants };

const ck_variant *ck_attention_variants(size_t *count) {
  *count = VARIANTS;
  return variants;
}

// a b c d fits a byte count of floats with room to spare.
static bool fits(size_t a, size_t b, size_t c, size_t d) {
  size_t n;
  return !__builtin_mul_overflow(a, b, &n) && !__builtin_mul_overflow(n, c, &n) && !__builtin_mul_overflow(n, d, &n) &&
         n < SIZE_MAX / 64;
}

static void run_forward(ck_worker *worker, const void *opaque) {
  const ck_attention_job *job = opaque;
  ck_for(worker, job->shape.batch * job->shape.heads * job->chunks, job->body, job);
}

ck_status ck_attention_f32(const ck_context *context, ck_attention_shape shape, const float *query, const float *key,
                           const float *value, float *output, float *log_sum_exp) {
  if (shape.heads == 0 || shape.width == 0 || shape.keys < shape.queries) return CK_BAD_SHAPE;
  if (shape.batch == 0 || shape.queries == 0) return CK_OK;
  size_t columns = shape.heads * shape.width;
  if (!fits(shape.batch, shape.keys, shape.heads, shape.width + CK_PAD)) return CK_BAD_SHAPE;
  if (shape.query_row < columns || shape.key_row < columns || shape.value_row < columns || shape.output_row < columns)
    return CK_BAD_SHAPE;
  if (!query || !key || !value || !output) return CK_BAD_ARGUMENT;
  const ck_attention_kernels *kernel = &kernels[ck_first_allowed(variants, VARIANTS, context)];

  // Few heads: split the queries too, for each worker to have work, at the price of packing keys more than once.
  size_t tasks = shape.batch * shape.heads, workers = ck_context_workers(context);
  size_t wanted = tasks >= 4 * workers ? 1 : ck_ceil_div(4 * workers, tasks);
  size_t chunk = ck_round_up(ck_max(ck_ceil_div(shape.queries, wanted), 1), CK_QUERY_TILE);
  chunk = ck_min(ck_min(chunk, 10 * CK_QUERY_TILE), shape.queries);
  ck_attention_job job = {.shape = shape,
                          .query = query,
                          .key = key,
                          .value = value,
                          .output = output,
                          .log_sum_exp = log_sum_exp,
                          .chunk = chunk,
                          .chunks = ck_ceil_div(shape.queries, chunk),
                          .scale = (float)(1 / sqrt((double)shape.width)),
                          .body = kernel->forward};
  size_t padded = ck_round_up(shape.width, CK_PAD);
  size_t floats = ck_round_up(chunk * shape.width, 16) + chunk * padded + chunk * CK_PAD + ck_round_up(chunk, 16) +
                  CK_KEY_TILE * (ck_round_up(shape.width, 16) + padded + CK_QUERY_TILE) + 2 * CK_QUERY_TILE;
  double pairs = (double)shape.queries * ((double)shape.keys - 0.5 * (double)shape.queries);
  ck_needs needs = {.worker_bytes = floats * sizeof(float),
                    .work_ns = (double)tasks * pairs * (double)shape.width * 4 / 30};
  return ck_submit(context, run_forward, &job, sizeof job, needs);
}

static void run_backward(ck_worker *worker, const void *opaque) {
  const ck_attention_backward_job *job = opaque;
  ck_for(worker, job->batch * job->heads, job->body, job);
}

ck_status ck_attention_backward_f32(const ck_context *context, size_t batch, size_t length, size_t heads, size_t width,
                                    const float *d_output, const float *qkv, const float *output,
                                    const float *log_sum_exp, float *d_qkv) {
  if (heads == 0 || width == 0) return CK_BAD_SHAPE;
  if (batch == 0 || length == 0) return CK_OK;
  if (!fits(batch, length, heads, width + CK_PAD)) return CK_BAD_SHAPE;
  if (!d_output || !qkv || !output || !log_sum_exp || !d_qkv) return CK_BAD_ARGUMENT;
  const ck_attention_kernels *kernel = &kernels[ck_first_allowed(variants, VARIANTS, context)];
  ck_attention_backward_job job = {.batch = batch,
                                   .length = length,
                                   .heads = heads,
                                   .width = width,
                                   .d_output = d_output,
                                   .qkv = qkv,
                                   .output = output,
                                   .log_sum_exp = log_sum_exp,
                                   .d_qkv = d_qkv,
                                   .scale = (float)(1 / sqrt((double)width)),
                                   .body = kernel->backward};
  size_t padded = ck_round_up(width, CK_PAD);
  size_t floats = 3 * length * padded + ck_round_up(length, 16) +
                  CK_KEY_TILE * (3 * padded + 2 * ck_round_up(width, 16) + 2 * CK_QUERY_TILE);
  ck_needs needs = {.worker_bytes = floats * sizeof(float),
                    .work_ns = (double)(batch * heads) * (double)length * (double)length * (double)width * 5 / 30};
  return ck_submit(context, run_backward, &job, sizeof job, needs);
}
