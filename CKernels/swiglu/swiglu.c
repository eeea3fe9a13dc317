// Driver of the SwiGLU: checks, chooses the type and the width, splits into blocks of rows and columns.
#include "ck_swiglu.h"
#include "vector/widths.h"

typedef struct swiglu_job swiglu_job;
typedef struct swiglu_block {
  size_t row, last_row, column, columns, ahead;
} swiglu_block;
typedef void swiglu_kernel(const swiglu_job *job, swiglu_block block);
struct swiglu_job {
  swiglu_kernel *kernel;
  size_t rows, width, input_row, bytes;            // of an element
  size_t block_rows, block_columns, blocks_across; // a task
  const char *dy, *gate, *up;
  char *y, *d_gate, *d_up;
};

#define CK_BODY "swiglu/body.inc.h"
#include "runtime/each_width.inc.h"

static const ck_variant variants[] = {CK_EACH_WIDTH(CK_WIDTH_VARIANT)};
enum { VARIANTS = sizeof variants / sizeof variants[0] };
const ck_variant *ck_swiglu_variants(size_t *count) { return *count = VARIANTS, variants; }

typedef struct swiglu_kernels {
  swiglu_kernel *forward[2][2], *backward[2][2]; // [is bf16][streams]
} swiglu_kernels;
#define PASS(pass, width)                                                                                              \
  {                                                                                                                    \
    {pass##_f32_##width, pass##_f32_streaming_##width}, { pass##_bf16_##width, pass##_bf16_streaming_##width }         \
  }
#define KERNELS(width) {PASS(forward, width), PASS(backward, width)},
static const swiglu_kernels kernels[] = {CK_EACH_WIDTH(KERNELS)};

enum { BLOCK = 8192 }; // elements of a task, about 3 microseconds; a multiple of a cache line of either type

static void task(ck_worker *worker, const void *argument, size_t task) {
  const swiglu_job *job = argument;
  const size_t row = task / job->blocks_across * job->block_rows;
  const size_t column = task % job->blocks_across * job->block_columns;
  job->kernel(job, (swiglu_block){row, ck_min(row + job->block_rows, job->rows), column,
                                  ck_min(job->block_columns, job->width - column),
                                  job->rows > 1 ? job->input_row * job->bytes : 0});
}

static void program(ck_worker *worker, const void *argument) {
  const swiglu_job *job = argument;
  ck_for(worker, ck_ceil_div(job->rows, job->block_rows) * job->blocks_across, task, job);
}

static bool is_aligned(const void *p) { return (uintptr_t)p % 64 == 0; }

static ck_status submit(const ck_context *context, ck_type type, bool backward, swiglu_job job) {
  if (type != CK_F32 && type != CK_BF16) return CK_BAD_ARGUMENT;
  if (job.input_row < job.width || ck_product_overflows(job.rows, job.input_row)) return CK_BAD_SHAPE;
  if (job.rows == 0 || job.width == 0) return CK_OK;
  job.bytes = ck_bytes_of(type);
  if (job.input_row == job.width) { // one long row
    job.width *= job.rows;
    job.input_row = job.width;
    job.rows = 1;
  }
  job.block_columns = ck_min(job.width, BLOCK);
  job.block_rows = BLOCK / job.block_columns;
  job.blocks_across = ck_ceil_div(job.width, job.block_columns);
  // What does not fit the cache is better not read into it before it is overwritten.
  bool streams = job.rows * job.width * job.bytes * (backward ? 5 : 3) > ck_context_caches(context).l3;
  if (backward)
    streams = streams && is_aligned(job.d_gate) && is_aligned(job.d_up) && job.d_gate != job.gate &&
              job.d_up != job.up && job.d_gate != job.dy && job.d_up != job.dy && job.input_row * job.bytes % 64 == 0;
  else
    streams = streams && is_aligned(job.y) && job.y != job.gate && job.y != job.up &&
              (job.rows == 1 || job.width * job.bytes % 64 == 0);
  const swiglu_kernels *all = &kernels[ck_first_allowed(variants, VARIANTS, context)];
  job.kernel = (backward ? all->backward : all->forward)[type == CK_BF16][streams];
  double work = (double)job.rows * (double)job.width * (backward ? 0.8 : 0.4);
  return ck_submit(context, program, &job, sizeof job, (ck_needs){.work_ns = work});
}

ck_status ck_swiglu(const ck_context *context, ck_type type, size_t rows, size_t width, const void *gate,
                    const void *up, size_t input_row, void *y) {
  return submit(context, type, false,
                (swiglu_job){.rows = rows, .width = width, .input_row = input_row, .gate = gate, .up = up, .y = y});
}

ck_status ck_swiglu_backward(const ck_context *context, ck_type type, size_t rows, size_t width, const void *dy,
                             const void *gate, const void *up, size_t input_row, void *d_gate, void *d_up) {
  return submit(context, type, true,
                (swiglu_job){.rows = rows,
                             .width = width,
                             .input_row = input_row,
                             .dy = dy,
                             .gate = gate,
                             .up = up,
                             .d_gate = d_gate,
                             .d_up = d_up});
}
