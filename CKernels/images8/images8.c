// Drivers: check, choose the width, an image a task.
#include "ck_images8.h"
#include "vector/widths.h"

typedef struct images8_job images8_job;
typedef void images8_kernel(const images8_job *job, size_t image);
struct images8_job {
  images8_kernel *kernel;
  ck_images shape;
  const uint8_t *x;
  uint8_t *y;
};

#define CK_BODY "images8/body.inc.h"
#include "runtime/each_width.inc.h"

static const ck_variant variants[] = {CK_EACH_WIDTH(CK_WIDTH_VARIANT)};
enum { VARIANTS = sizeof variants / sizeof *variants };
const ck_variant *ck_images8_variants(size_t *count) { return *count = VARIANTS, variants; }

#define PATCHES(width) patches8_##width,
#define MAXPOOL(width) maxpool8_##width,
static images8_kernel *const patches[] = {CK_EACH_WIDTH(PATCHES)}, *const maxpool[] = {CK_EACH_WIDTH(MAXPOOL)};

static void one(ck_worker *worker, const void *argument, size_t task) {
  const images8_job *job = argument;
  job->kernel(job, task);
}

static void program(ck_worker *worker, const void *argument) {
  const images8_job *job = argument;
  ck_for(worker, job->shape.count, one, job);
}

static ck_status submit(const ck_context *context, images8_kernel *const kernels[], size_t passes, images8_job job) {
  const ck_images s = job.shape;
  if (ck_product_overflows(s.height, s.width) || ck_product_overflows(s.height * s.width, s.channels) ||
      ck_product_overflows(s.height * s.width * s.channels, s.count))
    return CK_BAD_SHAPE;
  if (s.count == 0 || s.height == 0 || s.width == 0 || s.channels == 0) return CK_OK;
  job.kernel = kernels[ck_first_allowed(variants, VARIANTS, context)];
  const double elements = (double)s.count * (double)(s.height * s.width * s.channels);
  return ck_submit(context, program, &job, sizeof job, (ck_needs){.work_ns = elements * (double)passes * 0.1});
}

static bool is_window(ck_images s) { return s.side > 0 && s.side <= s.height && s.side <= s.width; }

ck_status ck_patches_u8(const ck_context *context, ck_images shape, const uint8_t *x, uint8_t *y) {
  if (!is_window(shape)) return CK_BAD_SHAPE;
  return submit(context, patches, shape.side * shape.side, (images8_job){.shape = shape, .x = x, .y = y});
}

ck_status ck_maxpool_u8(const ck_context *context, ck_images shape, const uint8_t *x, uint8_t *y) {
  if (!is_window(shape) || shape.height % shape.side != 0 || shape.width % shape.side != 0) return CK_BAD_SHAPE;
  return submit(context, maxpool, 2, (images8_job){.shape = shape, .x = x, .y = y});
}
