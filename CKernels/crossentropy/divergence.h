// What the drivers of divergence.c and their bodies share.
#ifndef CK_DIVERGENCE_INTERNAL_H
#define CK_DIVERGENCE_INTERNAL_H
#include "ck_crossentropy.h"
#include "ck_divergence.h"
#include "runtime/worker.h"
#include <math.h>
#include <string.h>

typedef struct ck_divergence_job {
  size_t rows, vocabulary, block; // block: rows of a task
  ck_divergence divergence;
  float beta;
  const float *student, *teacher;
  const int32_t *targets;
  float temperature, mixing, gradient_scale;
  float *gradient, *soft, *hard;
  ck_body *body;
} ck_divergence_job;

typedef struct ck_completion_job {
  size_t rows, vocabulary, block, count; // count: classes known of each row
  const int32_t *classes;
  const float *log_probabilities, *tails, *student;
  float temperature;
  float *teacher;
  ck_body *body;
} ck_completion_job;
#endif
