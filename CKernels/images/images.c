// Drivers: check, choose the width, an image a task.
#include "images/images.h"
#include "vector/widths.h"
#define CK_BODY "images/body.inc.h"
#include "runtime/each_width.inc.h"

static const ck_variant variants[] = {CK_EACH_WIDTH(CK_WIDTH_VARIANT)};
enum { VARIANTS = sizeof variants / sizeof variants[0] };
const ck_variant *ck_images_variants(size_t *count) { return *count = VARIANTS, variants; }

#define PATCHES(width) patches_##width,
#define PATCHES_BACKWARD(width) patches_backward_##width,
#define MAXPOOL(width) maxpool_##width,
#define MAXPOOL_BACKWARD(width) maxpool_backward_##width,
#define PATCHES_U8(width) patches_u8_##width,
#define MAXPOOL_U8(width) maxpool_u8_##width,
#define GATHER(width) gather_##width,
static images_kernel *const
    patches[] = {CK_EACH_WIDTH(PATCHES)},
    *const patches_backward[] = {CK_EACH_WIDTH(PATCHES_BACKWARD)}, *const maxpool[] = {CK_EACH_WIDTH(MAXPOOL)},
    *const maxpool_backward[] = {CK_EACH_WIDTH(MAXPOOL_BACKWARD)}, *const patches_u8[] = {CK_EACH_WIDTH(PATCHES_U8)},
    *const maxpool_u8[] = {CK_EACH_WIDTH(MAXPOOL_U8)}, *const gather[] = {CK_EACH_WIDTH(GATHER)};

static void one(ck_worker *worker, const void *argument, size_t task) {
  const images_job *job = argument;
  job->kernel(job, task);
}

static void program(ck_worker *worker, const void *argument) {
  const images_job *job = argument;
  ck_for(worker, job->shape.count, one, job);
}

static ck_status submit(const ck_context *context, images_kernel *const kernels[], size_t passes, images_job job) {
  const ck_images s = job.shape;
  if (ck_product_overflows(s.height, s.width) || ck_product_overflows(s.height * s.width, s.channels) ||
      ck_product_overflows(s.height * s.width * s.channels, s.count))
    return CK_BAD_SHAPE;
  if (s.count == 0 || s.height == 0 || s.width == 0 || s.channels == 0) return CK_OK;
  job.kernel = kernels[ck_first_allowed(variants, VARIANTS, context)];
  const double elements = (double)s.count * (double)(s.height * s.width * s.channels);
  return ck_submit(context, program, &job, sizeof job, (ck_needs){.work_ns = elements * (double)passes * 0.3});
}

static bool is_window(ck_images s) { return s.side > 0 && s.side <= s.height && s.side <= s.width; }

ck_status ck_patches_f32(const ck_context *context, ck_images shape, const float *x, float *y) {
  if (!is_window(shape)) return CK_BAD_SHAPE;
  return submit(context, patches, shape.side * shape.side, (images_job){.shape = shape, .x = x, .out = y});
}

ck_status ck_patches_backward_f32(const ck_context *context, ck_images shape, const float *dy, float *dx) {
  if (!is_window(shape)) return CK_BAD_SHAPE;
  return submit(context, patches_backward, shape.side * shape.side, (images_job){.shape = shape, .dy = dy, .out = dx});
}

static bool divides(ck_images s) { return is_window(s) && s.height % s.side == 0 && s.width % s.side == 0; }

ck_status ck_maxpool_f32(const ck_context *context, ck_images shape, const float *x, float *y) {
  if (!divides(shape)) return CK_BAD_SHAPE;
  return submit(context, maxpool, 2, (images_job){.shape = shape, .x = x, .out = y});
}

ck_status ck_maxpool_backward_f32(const ck_context *context, ck_images shape, const float *dy, const float *x,
                                  const float *y, float *dx) {
  if (!divides(shape)) return CK_BAD_SHAPE;
  return submit(context, maxpool_backward, 3, (images_job){.shape = shape, .x = x, .y = y, .dy = dy, .out = dx});
}

ck_status ck_patches_u8(const ck_context *context, ck_images shape, const uint8_t *x, uint8_t *y) {
  if (!is_window(shape)) return CK_BAD_SHAPE;
  return submit(context, patches_u8, shape.side * shape.side, (images_job){.shape = shape, .x = x, .out = y});
}

ck_status ck_maxpool_u8(const ck_context *context, ck_images shape, const uint8_t *x, uint8_t *y) {
  if (!divides(shape)) return CK_BAD_SHAPE;
  return submit(context, maxpool_u8, 2, (images_job){.shape = shape, .x = x, .out = y});
}

ck_status ck_gather_images_f32(const ck_context *context, ck_images shape, const int32_t *rows, const int8_t *shifts,
                               const float *x, size_t available, float *y) {
  for (size_t i = 0; i < shape.count; i++)
    if (rows[i] < 0 || (size_t)rows[i] >= available) return CK_BAD_ARGUMENT;
  return submit(context, gather, 1, (images_job){.shape = shape, .x = x, .out = y, .rows = rows, .shifts = shifts});
}
