// Drivers of the two row operations: check, choose the width, split by rows.
#include "crossentropy/checks.h"
#include "crossentropy/crossentropy.h"
#define CK_BODY "crossentropy/body.inc.h"
#include "runtime/each_width.inc.h"
#include "vector/widths.h"

typedef struct ck_crossentropy_kernels {
  ck_body *plain[2], *distilling; // plain: of f32, of bf16
} ck_crossentropy_kernels;

static const ck_variant variants[] = {CK_EACH_WIDTH(CK_WIDTH_VARIANT)};
static const ck_crossentropy_kernels kernels[] = {
#define CK_ROW(suffix)                                                                                                 \
  {{ck_crossentropy_rows_f32_##suffix, ck_crossentropy_rows_bf16_##suffix}, ck_distillation_rows_##suffix},
    CK_EACH_WIDTH(CK_ROW)
#undef CK_ROW
};
enum { VARIANTS = sizeof variants / sizeof *variants };

const ck_variant *ck_crossentropy_variants(size_t *count) {
  *count = VARIANTS;
  return variants;
}

// Enough work for the hand-out of a task to be small beside it.
static size_t rows_of_a_task(size_t vocabulary) { return ck_max(1, 8192 / vocabulary); }

static void run_plain(ck_worker *worker, const void *opaque) {
  const ck_crossentropy_job *job = opaque;
  ck_for_parts(worker, ck_ceil_div(job->rows, job->block), job->body, job);
}

ck_status ck_crossentropy_smoothed(const ck_context *context, ck_type type, size_t rows, size_t vocabulary,
                                   const void *logits, const int32_t *targets, float smoothing, float gradient_scale,
                                   void *gradient, float *losses) {
  if ((type != CK_F32 && type != CK_BF16) || !(smoothing >= 0 && smoothing <= 1)) return CK_BAD_ARGUMENT;
  if (rows == 0) return CK_OK;
  if (vocabulary == 0 || vocabulary > INT32_MAX || ck_product_overflows(rows, vocabulary)) return CK_BAD_SHAPE;
  if (!logits || !targets || !losses || !ck_targets_in_range(targets, rows, vocabulary)) return CK_BAD_ARGUMENT;
  ck_crossentropy_job job = {.rows = rows,
                             .vocabulary = vocabulary,
                             .block = rows_of_a_task(vocabulary),
                             .logits = logits,
                             .targets = targets,
                             .gradient_scale = gradient_scale,
                             .smoothing = smoothing,
                             .gradient = gradient,
                             .losses = losses,
                             .body = kernels[ck_first_allowed(variants, VARIANTS, context)].plain[type == CK_BF16]};
  ck_needs needs = {
      .worker_bytes = type == CK_BF16 && gradient ? vocabulary * sizeof(float) : 0, // exponentials of a row
      .work_ns = (double)rows * (double)vocabulary * 0.5,
  };
  return ck_submit(context, run_plain, &job, sizeof job, needs);
}

ck_status ck_crossentropy(const ck_context *context, ck_type type, size_t rows, size_t vocabulary, const void *logits,
                          const int32_t *targets, float gradient_scale, void *gradient, float *losses) {
  return ck_crossentropy_smoothed(context, type, rows, vocabulary, logits, targets, 0, gradient_scale, gradient,
                                  losses);
}

static void run_distilling(ck_worker *worker, const void *opaque) {
  const ck_distillation_job *job = opaque;
  ck_for_parts(worker, ck_ceil_div(job->rows, job->block), job->body, job);
}

ck_status ck_distillation_f32(const ck_context *context, size_t rows, size_t vocabulary, const float *student,
                              const float *teacher, const int32_t *targets, float temperature, float mixing,
                              float gradient_scale, float *gradient, float *soft, float *hard) {
  if (rows == 0) return CK_OK;
  if (vocabulary == 0 || vocabulary > INT32_MAX || ck_product_overflows(rows, vocabulary)) return CK_BAD_SHAPE;
  if (!student || !teacher || !soft || !hard) return CK_BAD_ARGUMENT;
  if (!ck_distillation_is_valid(targets, rows, vocabulary, temperature, mixing)) return CK_BAD_ARGUMENT;
  const ck_crossentropy_kernels *kernel = &kernels[ck_first_allowed(variants, VARIANTS, context)];
  ck_distillation_job job = {.rows = rows,
                             .vocabulary = vocabulary,
                             .block = rows_of_a_task(vocabulary),
                             .student = student,
                             .teacher = teacher,
                             .targets = targets,
                             .temperature = temperature,
                             .mixing = mixing,
                             .gradient_scale = gradient_scale,
                             .gradient = gradient,
                             .soft = soft,
                             .hard = hard,
                             .body = kernel->distilling};
  ck_needs needs = {.work_ns = (double)rows * (double)vocabulary * 2};
  return ck_submit(context, run_distilling, &job, sizeof job, needs);
}
