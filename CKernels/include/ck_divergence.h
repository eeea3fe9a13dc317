// Divergences of a student's softmax from a teacher's, and teachers of which only the greatest probabilities are known.
#ifndef CK_DIVERGENCE_H
#define CK_DIVERGENCE_H
#include "ck_crossentropy.h"

// With P = softmax(teacher / T), Q = softmax(student / T) and N classes:
//   CK_FORWARD_KL      KL(P || Q) = sum_j P_j log(P_j / Q_j)
//   CK_REVERSE_KL      KL(Q || P)
//   CK_JENSEN_SHANNON  beta KL(P || M) + (1 - beta) KL(Q || M) with M = beta P + (1 - beta) Q and 0 < beta < 1
//                      (Agarwal et al., 2024, section 2)
//   CK_MATCHED_LOGITS  |(z - mean z) - (v - mean v)|^2 / (2 N) of the logits, whatever the temperature
//                      (Hinton, Vinyals, Dean 2015, section 2.1: the limit of T^2 KL(P || Q) at high temperatures)
typedef enum ck_divergence {
  CK_FORWARD_KL,
  CK_REVERSE_KL,
  CK_JENSEN_SHANNON,
  CK_MATCHED_LOGITS,
} ck_divergence;

// As ck_distillation_f32, with another soft loss: soft[i] = T^2 times the divergence (matched logits: the divergence).
//   gradient[i] = gradient_scale d/dstudent (mixing soft[i] + (1 - mixing) hard[i])
// With r_j = log(Q_j / P_j), or (1 - beta) log(Q_j / M_j): dsoft/dstudent_j = T Q_j (r_j - sum_k Q_k r_k).
// beta counts for CK_JENSEN_SHANNON alone. The reverse divergence is infinite where the teacher excludes a class that
// the student does not.
ck_status ck_divergence_f32(const ck_context *context, ck_divergence divergence, float beta, size_t rows,
                            size_t vocabulary, const float *student, const float *teacher, const int32_t *targets,
                            float temperature, float mixing, float gradient_scale, float *gradient, float *soft,
                            float *hard);

// A teacher's logits from what is known of its softmax at temperature T: for each row `count` classes [rows, count] (or
// CK_IGNORED, for fewer) with their log-probabilities, and the mass of all others, which is given to them in the
// student's proportions:
//   teacher[i,j] = T log p_j for known classes,
//   teacher[i,j] = student[i,j] + T (log tails[i] - log sum over unknown k of exp(student[i,k] / T)) for the others.
// Then KL(softmax(teacher / T) || softmax(student / T)) is that over the known classes and one bucket for the others,
// and so are its gradients. Tails of 0: minus infinity. teacher may not overlap student.
ck_status ck_complete_teacher_f32(const ck_context *context, size_t rows, size_t vocabulary, size_t count,
                                  const int32_t *classes, const float *log_probabilities, const float *tails,
                                  const float *student, float temperature, float *teacher);

const ck_variant *ck_divergence_variants(size_t *count);
#endif
