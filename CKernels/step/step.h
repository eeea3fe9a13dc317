// One pass over a matrix of weights: an optimizer's rule and the rebuilding of packed forms, tile by tile while all is
// in the cache. A rule is one function per width (step/span.inc.h makes it of a few lines of algebra); tiles, packing,
// clipping and workers are written once, here. Internal to CKernels.
#ifndef CK_STEP_STEP_H
#define CK_STEP_STEP_H
#include "ck_step.h"
#include "vector/widths.h"

enum { CK_STEP_STATES = 4, CK_STEP_CONSTANTS = 16 };

// `count` neighbouring elements of a row. state[s] points to what belongs to the first of them. The elements that come
// next are `ahead` elements further on, and are fetched meanwhile: rows of a tile are too short for the hardware to
// see.
typedef void ck_step_rule(const float *constants, float gradient_scale, size_t count, float *w, const float *g,
                          char *const *state, ptrdiff_t ahead);

// An array that a rule keeps for every weight: `bytes` bytes for `per` neighbours of a row (1, or a power of two up to
// 256), [rows, ceil(columns / per)].
typedef struct ck_step_state {
  void *data;
  size_t per, bytes;
} ck_step_state;

typedef struct ck_step {
  ck_step_rule *rule;                 // NULL: only packs
  float constants[CK_STEP_CONSTANTS]; // the rule's, whatever they are
  ck_step_state state[CK_STEP_STATES];
  ck_step_gradient gradient;
  float element_ns; // of one thread
} ck_step;

// What to multiply the gradient with, read now. False when the norm says to leave everything as it is.
bool ck_step_scale(const ck_step_gradient *gradient, float *scale);
ck_status ck_step_submit(const ck_context *context, const ck_step_matrix *matrix, const ck_step *step);
#endif
