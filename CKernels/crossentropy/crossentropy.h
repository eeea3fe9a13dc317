// What the drivers and the bodies share.
#ifndef CK_CROSSENTROPY_INTERNAL_H
#define CK_CROSSENTROPY_INTERNAL_H
#include "ck_crossentropy.h"
#include "ck_matmul.h"
#include "runtime/worker.h"
#include <math.h>
#include <string.h>

typedef struct ck_crossentropy_job {
  size_t rows, vocabulary, block; // block: rows of a task
  const void *logits;
  const int32_t *targets;
  float gradient_scale, smoothing;
  void *gradient; // of the type of the logits
  float *losses;
  ck_body *body;
} ck_crossentropy_job;

typedef struct ck_distillation_job {
  size_t rows, vocabulary, block; // block: rows of a task
  const float *student, *teacher;
  const int32_t *targets;
  float temperature, mixing, gradient_scale;
  float *gradient, *soft, *hard;
  ck_body *body;
} ck_distillation_job;
#endif
