// Drivers of the divergences and of truncated teachers: check, choose the width, split by rows.
#include "crossentropy/checks.h"
#include "crossentropy/divergence.h"
#define CK_BODY "crossentropy/divergence.inc.h"
#include "runtime/each_width.inc.h"
#include "vector/widths.h"

typedef struct ck_divergence_kernels {
  ck_body *diverging, *completing;
} ck_divergence_kernels;

static const ck_variant variants[] = {CK_EACH_WIDTH(CK_WIDTH_VARIANT)};
static const ck_divergence_kernels kernels[] = {
#define CK_ROW(suffix) {ck_divergence_rows_##suffix, ck_completion_rows_##suffix},
    CK_EACH_WIDTH(CK_ROW)
#undef CK_ROW
};
enum { VARIANTS = sizeof variants / sizeof *variants };

const ck_variant *ck_divergence_variants(size_t *count) {
  *count = VARIANTS;
  return variants;
}

static size_t rows_of_a_task(size_t vocabulary) { return ck_max(1, 4096 / vocabulary); }

static void run_diverging(ck_worker *worker, const void *opaque) {
  const ck_divergence_job *job = opaque;
  ck_for_parts(worker, ck_ceil_div(job->rows, job->block), job->body, job);
}

ck_status ck_divergence_f32(const ck_context *context, ck_divergence divergence, float beta, size_t rows,
                            size_t vocabulary, const float *student, const float *teacher, const int32_t *targets,
                            float temperature, float mixing, float gradient_scale, float *gradient, float *soft,
                            float *hard) {
  if (divergence == CK_FORWARD_KL)
    return ck_distillation_f32(context, rows, vocabulary, student, teacher, targets, temperature, mixing,
                               gradient_scale, gradient, soft, hard);
  if (divergence == CK_JENSEN_SHANNON ? !(beta > 0 && beta < 1)
                                      : divergence != CK_REVERSE_KL && divergence != CK_MATCHED_LOGITS)
    return CK_BAD_ARGUMENT;
  if (rows == 0) return CK_OK;
  if (vocabulary == 0 || vocabulary > INT32_MAX || ck_product_overflows(rows, vocabulary)) return CK_BAD_SHAPE;
  if (!student || !teacher || !soft || !hard) return CK_BAD_ARGUMENT;
  if (!ck_distillation_is_valid(targets, rows, vocabulary, temperature, mixing)) return CK_BAD_ARGUMENT;
  ck_divergence_job job = {.rows = rows,
                           .vocabulary = vocabulary,
                           .block = rows_of_a_task(vocabulary),
                           .divergence = divergence,
                           .beta = beta,
                           .student = student,
                           .teacher = teacher,
                           .targets = targets,
                           .temperature = temperature,
                           .mixing = mixing,
                           .gradient_scale = gradient_scale,
                           .gradient = gradient,
                           .soft = soft,
                           .hard = hard,
                           .body = kernels[ck_first_allowed(variants, VARIANTS, context)].diverging};
  ck_needs needs = {.work_ns = (double)rows * (double)vocabulary * 4};
  return ck_submit(context, run_diverging, &job, sizeof job, needs);
}

static void run_completing(ck_worker *worker, const void *opaque) {
  const ck_completion_job *job = opaque;
  ck_for_parts(worker, ck_ceil_div(job->rows, job->block), job->body, job);
}

ck_status ck_complete_teacher_f32(const ck_context *context, size_t rows, size_t vocabulary, size_t count,
                                  const int32_t *classes, const float *log_probabilities, const float *tails,
                                  const float *student, float temperature, float *teacher) {
  if (rows == 0) return CK_OK;
  if (vocabulary == 0 || vocabulary > INT32_MAX || ck_product_overflows(rows, vocabulary) || count == 0 ||
      count > vocabulary)
    return CK_BAD_SHAPE;
  if (!classes || !log_probabilities || !tails || !student || !teacher || !ck_is_temperature(temperature))
    return CK_BAD_ARGUMENT;
  if (!ck_targets_in_range(classes, rows * count, vocabulary)) return CK_BAD_ARGUMENT;
  ck_completion_job job = {.rows = rows,
                           .vocabulary = vocabulary,
                           .block = rows_of_a_task(vocabulary),
                           .count = count,
                           .classes = classes,
                           .log_probabilities = log_probabilities,
                           .tails = tails,
                           .student = student,
                           .temperature = temperature,
                           .teacher = teacher,
                           .body = kernels[ck_first_allowed(variants, VARIANTS, context)].completing};
  ck_needs needs = {.work_ns = (double)rows * (double)vocabulary};
  return ck_submit(context, run_completing, &job, sizeof job, needs);
}
