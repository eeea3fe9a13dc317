// Softmax cross-entropy, alone and against a teacher.
#ifndef CK_CROSSENTROPY_H
#define CK_CROSSENTROPY_H
#include "ck_matmul.h" // ck_type

// A target is a class, 0 ..< vocabulary, or CK_IGNORED: that row has zero loss and zero gradient. Any other target is
// CK_BAD_ARGUMENT before anything is written. Losses are in nats, one per row. Logits may have any finite size; logits
// of minus infinity have probability 0; a row with NaN or plus infinity has the loss NaN.
enum { CK_IGNORED = -1 };

// losses[i] = log sum_j exp(x[i,j]) - x[i, targets[i]],
// gradient[i,j] = gradient_scale (softmax(x[i])[j] - [j = targets[i]]). gradient may be logits itself.
// gradient NULL: only the losses.
// Logits and gradient are of `type`, f32 or bf16; arithmetic is in f32, and a gradient in bf16 is rounded once, to
// nearest, ties to even.
ck_status ck_crossentropy(const ck_context *context, ck_type type, size_t rows, size_t vocabulary, const void *logits,
                          const int32_t *targets, float gradient_scale, void *gradient, float *losses);

// The same against a target that leaves `smoothing` to all classes alike (Szegedy et al. 2016, section 7):
// q_j = (1 - smoothing) [j = targets[i]] + smoothing / vocabulary,
//   losses[i] = -sum_j q_j log softmax(x[i])_j,   gradient[i,j] = gradient_scale (softmax(x[i])[j] - q_j).
// A logit of minus infinity makes the loss infinite. 0 <= smoothing <= 1; at 0 the same bits as above.
ck_status ck_crossentropy_smoothed(const ck_context *context, ck_type type, size_t rows, size_t vocabulary,
                                   const void *logits, const int32_t *targets, float smoothing, float gradient_scale,
                                   void *gradient, float *losses);

// Distillation (Hinton, Vinyals, Dean 2015, section 2). With p = softmax(teacher[i] / T), q = softmax(student[i] / T):
//   soft[i] = T^2 sum_j p_j (log p_j - log q_j),   hard[i] = cross-entropy of the student at T = 1,
//   gradient[i] = gradient_scale d/dx (mixing soft[i] + (1 - mixing) hard[i])
//               = gradient_scale (mixing T (q - p) + (1 - mixing) (softmax(student[i]) - [j = targets[i]])).
// gradient may be student itself, or NULL for the losses only. targets NULL: no hard loss (zero, and mixing must be 1).
// A row whose target is CK_IGNORED has neither loss. T > 0, T and 1 / T finite, 0 <= mixing <= 1.
ck_status ck_distillation_f32(const ck_context *context, size_t rows, size_t vocabulary, const float *student,
                              const float *teacher, const int32_t *targets, float temperature, float mixing,
                              float gradient_scale, float *gradient, float *soft, float *hard);

const ck_variant *ck_crossentropy_variants(size_t *count);
#endif
