// What the drivers of cross-entropy, distillation and the divergences ask of their arguments.
#ifndef CK_CROSSENTROPY_CHECKS_H
#define CK_CROSSENTROPY_CHECKS_H
#include "ck_crossentropy.h"
#include <math.h>

// Whether every target is CK_IGNORED or a class.
static inline bool ck_targets_in_range(const int32_t *targets, size_t rows, size_t vocabulary) {
  for (size_t i = 0; i < rows; i++)
    if (targets[i] != CK_IGNORED && (uint32_t)targets[i] >= vocabulary) return false;
  return true;
}

// Whether T and 1/T are positive and finite.
static inline bool ck_is_temperature(float temperature) {
  return temperature > 0 && isfinite(temperature) && isfinite(1 / temperature);
}

// Whether the temperature is one, mixing is in 0...1, and targets are in range, or not needed.
static inline bool ck_distillation_is_valid(const int32_t *targets, size_t rows, size_t vocabulary, float temperature,
                                            float mixing) {
  if (!ck_is_temperature(temperature) || !(mixing >= 0 && mixing <= 1)) return false;
  return targets ? ck_targets_in_range(targets, rows, vocabulary) : mixing == 1;
}
#endif
