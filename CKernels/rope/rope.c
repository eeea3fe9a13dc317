// Drivers of the rotary embedding: check, choose the layout, the type and the width, split by rows.
#include "ck_rope.h"
#include "vector/widths.h"
#include <math.h>

typedef struct rope_job rope_job;
typedef void rope_kernel(const rope_job *job, size_t first, size_t last);
struct rope_job {
  rope_kernel *kernel;
  ck_rope_shape shape;
  size_t block; // rows of a task
  const char *x;
  char *y;
  const float *cosine, *sine;
  float sign; // of the sines: -1 turns back
};

#define CK_BODY "rope/body.inc.h"
#include "runtime/each_width.inc.h"

static const ck_variant variants[] = {CK_EACH_WIDTH(CK_WIDTH_VARIANT)};
enum { VARIANTS = sizeof variants / sizeof variants[0] };
const ck_variant *ck_rope_variants(size_t *count) { return *count = VARIANTS, variants; }

#define LAYOUT(layout, width)                                                                                          \
  {                                                                                                                    \
    {layout##_f32_##width, layout##_f32_streaming_##width}, { layout##_bf16_##width, layout##_bf16_streaming_##width } \
  }
#define KERNELS(width) {LAYOUT(interleaved, width), LAYOUT(halves, width)},
static rope_kernel *const kernels[][2][2][2] = {CK_EACH_WIDTH(KERNELS)}; // [layout][is bf16][streams]

static void block(ck_worker *worker, const void *argument, size_t task) {
  const rope_job *job = argument;
  job->kernel(job, task * job->block, ck_min((task + 1) * job->block, job->shape.rows));
}

static void program(ck_worker *worker, const void *argument) {
  const rope_job *job = argument;
  ck_for(worker, ck_ceil_div(job->shape.rows, job->block), block, job);
}

static bool overflows(size_t rows, size_t row, size_t heads, size_t head, size_t width) {
  size_t last;
  return ck_product_overflows(rows, row) || ck_product_overflows(heads, head) ||
         __builtin_add_overflow(rows * row, heads * head, &last) || __builtin_add_overflow(last, width, &last) ||
         last > SIZE_MAX / 16;
}

// Whether every vector of a store begins on a boundary of its size.
static bool is_aligned(const ck_rope_shape *shape, ck_rope_layout layout, const void *y, size_t bytes) {
  const size_t run = layout == CK_ROPE_HALVES ? shape->width / 2 : 0;
  return ((uintptr_t)y | shape->y_row * bytes | shape->y_head * bytes | run * bytes) % 64 == 0;
}

static ck_status submit(const ck_context *context, ck_rope_layout layout, ck_type type, ck_rope_shape shape,
                        const void *x, const float *cosine, const float *sine, size_t positions, void *y, float sign) {
  if (type != CK_F32 && type != CK_BF16) return CK_BAD_ARGUMENT;
  if (layout != CK_ROPE_INTERLEAVED && layout != CK_ROPE_HALVES) return CK_BAD_ARGUMENT;
  if (shape.width % 2 != 0 || shape.length == 0 || ck_product_overflows(positions, shape.width) ||
      overflows(shape.rows, shape.x_row, shape.heads, shape.x_head, shape.width) ||
      overflows(shape.rows, shape.y_row, shape.heads, shape.y_head, shape.width))
    return CK_BAD_SHAPE;
  if (shape.rows == 0 || shape.heads == 0 || shape.width == 0) return CK_OK;
  const size_t used = ck_min(shape.length, shape.rows);
  if (used > positions || shape.first_position > positions - used) return CK_BAD_ARGUMENT;
  if (x == y && (shape.x_row != shape.y_row || shape.x_head != shape.y_head)) return CK_BAD_ARGUMENT;
  const size_t elements = shape.rows * shape.heads * shape.width, bytes = ck_bytes_of(type);
  // What does not fit the cache is better not read into it before it is overwritten.
  const bool streams =
      x != y && is_aligned(&shape, layout, y, bytes) && 2 * elements * bytes > ck_context_caches(context).l3;
  rope_job job = {
      .kernel = kernels[ck_first_allowed(variants, VARIANTS, context)][layout][type == CK_BF16][streams],
      .shape = shape,
      .block = ck_block_rows(shape.heads * shape.width),
      .x = x,
      .y = y,
      .cosine = cosine,
      .sine = sine,
      .sign = sign,
  };
  return ck_submit(context, program, &job, sizeof job, (ck_needs){.work_ns = (double)elements * 0.25});
}

ck_status ck_rope(const ck_context *context, ck_rope_layout layout, ck_type type, ck_rope_shape shape, const void *x,
                  const float *cosine, const float *sine, size_t positions, void *y) {
  return submit(context, layout, type, shape, x, cosine, sine, positions, y, 1);
}

ck_status ck_rope_backward(const ck_context *context, ck_rope_layout layout, ck_type type, ck_rope_shape shape,
                           const void *x, const float *cosine, const float *sine, size_t positions, void *y) {
  return submit(context, layout, type, shape, x, cosine, sine, positions, y, -1);
}

typedef struct tables_job {
  double theta;
  size_t width, positions;
  float *cosine, *sine;
} tables_job;
enum { POSITIONS = 16 }; // of a task

static void tables_block(ck_worker *worker, const void *argument, size_t task) {
  const tables_job *job = argument;
  const size_t pairs = job->width / 2, last = ck_min((task + 1) * POSITIONS, job->positions);
  for (size_t k = 0; k < pairs; k++) {
    const double frequency = pow(job->theta, -2.0 * (double)k / (double)job->width);
    for (size_t p = task * POSITIONS; p < last; p++) {
      job->cosine[p * pairs + k] = (float)cos((double)p * frequency);
      job->sine[p * pairs + k] = (float)sin((double)p * frequency);
    }
  }
}

static void tables_program(ck_worker *worker, const void *argument) {
  const tables_job *job = argument;
  ck_for(worker, ck_ceil_div(job->positions, POSITIONS), tables_block, job);
}

ck_status ck_rope_tables_f32(const ck_context *context, double theta, size_t width, size_t positions, float *cosine,
                             float *sine) {
  if (width % 2 != 0 || ck_product_overflows(positions, width)) return CK_BAD_SHAPE;
  if (!(theta > 0) || isinf(theta)) return CK_BAD_ARGUMENT;
  if (width == 0 || positions == 0) return CK_OK;
  tables_job job = {.theta = theta, .width = width, .positions = positions, .cosine = cosine, .sine = sine};
  return ck_submit(context, tables_program, &job, sizeof job,
                   (ck_needs){.work_ns = 30 * (double)positions * (double)width});
}
