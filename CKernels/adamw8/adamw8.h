// Internal to adamw8.
#ifndef CK_ADAMW8_ADAMW8_H
#define CK_ADAMW8_ADAMW8_H
#include "adamw8/tables.h"
#include "ck_adamw8.h"
#include "step/step.h"
#include <string.h>

typedef struct ck_adamw8_constants {
  float beta1, rest1, beta2, rest2, epsilon;
  float step, decay; // step = rate correction1 / sqrt(correction2), decay = rate weight_decay
} ck_adamw8_constants;
_Static_assert(sizeof(ck_adamw8_constants) <= CK_STEP_CONSTANTS * sizeof(float), "a rule's constants");

// What a block is worth in all: its scale, and what a moment is multiplied by before it is encoded.
typedef struct ck_adamw8_scale {
  float scale, inverse;
} ck_adamw8_scale;
static inline ck_adamw8_scale ck_adamw8_scale_of(float largest) {
  return largest > 0x1p-100f ? (ck_adamw8_scale){largest, 1 / largest} : (ck_adamw8_scale){0, 0};
}

ck_step_rule ck_adamw8_avx512vbmi2;
#endif
