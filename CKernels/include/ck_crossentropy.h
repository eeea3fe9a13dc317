// Softmax cross-entropy, alone, against a teacher, and fused with the product that makes the logits.
#ifndef CK_CROSSENTROPY_H
#define CK_CROSSENTROPY_H
#include "ck_runtime.h"

// A target is a class, 0 ..< vocabulary, or CK_IGNORED: that row has zero loss and zero gradient. Any other target is
// CK_BAD_ARGUMENT before anything is written. Losses are in nats, one per row. Logits may have any finite size; logits
// of minus infinity have probability 0; a row with NaN or plus infinity has the loss NaN.
enum { CK_IGNORED = -1 };

// losses[i] = log sum_j exp(x[i,j]) - x[i, targets[i]],
// gradient[i,j] = gradient_scale (softmax(x[i])[j] - [j = targets[i]]). gradient may be logits itself.
// gradient NULL: only the losses.
ck_status ck_crossentropy_f32(const ck_context *context, size_t rows, size_t vocabulary, const float *logits,
                              const int32_t *targets, float gradient_scale, float *gradient, float *losses);
// The same of logits in bf16, with everything else in f32; the gradient is rounded once, to nearest, ties to even.
ck_status ck_crossentropy_bf16(const ck_context *context, size_t rows, size_t vocabulary, const uint16_t *logits,
                               const int32_t *targets, float gradient_scale, uint16_t *gradient, float *losses);

// Distillation (Hinton, Vinyals, Dean 2015, section 2). With p = softmax(teacher[i] / T), q = softmax(student[i] / T):
//   soft[i] = T^2 sum_j p_j (log p_j - log q_j),   hard[i] = cross-entropy of the student at T = 1,
//   gradient[i] = gradient_scale d/dx (mixing soft[i] + (1 - mixing) hard[i])
//               = gradient_scale (mixing T (q - p) + (1 - mixing) (softmax(student[i]) - [j = targets[i]])).
// gradient may be student itself, or NULL for the losses only. targets NULL: no hard loss (zero, and mixing must be 1).
// A row whose target is CK_IGNORED has neither loss. T > 0, T and 1 / T finite, 0 <= mixing <= 1.
ck_status ck_distillation_f32(const ck_context *context, size_t rows, size_t vocabulary, const float *student,
                              const float *teacher, const int32_t *targets, float temperature, float mixing,
                              float gradient_scale, float *gradient, float *soft, float *hard);

// Rows of a chunk of the fused forms below, and the floats of workspace that they need (teacher: the distilling one).
size_t ck_vocabulary_chunk(size_t rows, size_t vocabulary);
size_t ck_vocabulary_workspace(size_t rows, size_t vocabulary, bool teacher);

// Fused with x = hidden weights^T, in chunks of rows, so that logits never exist whole.
// hidden [rows, columns], weights [vocabulary, columns]. d_hidden [rows, columns] is replaced, d_weights [vocabulary,
// columns] accumulates, row after row. d_hidden and d_weights NULL together: only the losses.
ck_status ck_vocabulary_crossentropy_f32(const ck_context *context, size_t rows, size_t vocabulary, size_t columns,
                                         const float *hidden, const float *weights, const int32_t *targets,
                                         float gradient_scale, float *losses, float *d_hidden, float *d_weights,
                                         float *workspace);

typedef struct ck_teacher {
  const float *hidden;  // [rows, columns]
  const float *weights; // [vocabulary, columns]
  size_t columns;
} ck_teacher;
ck_status ck_vocabulary_distillation_f32(const ck_context *context, size_t rows, size_t vocabulary, size_t columns,
                                         const float *hidden, const float *weights, ck_teacher teacher,
                                         const int32_t *targets, float temperature, float mixing, float gradient_scale,
                                         float *soft, float *hard, float *d_hidden, float *d_weights, float *workspace);

const ck_variant *ck_crossentropy_variants(size_t *count);
#endif
