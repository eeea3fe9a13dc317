// One step of AdamW, as ck_adamw.h says, with moments in 8 bits (Dettmers, Lewis, Shleifer and Zettlemoyer, "8-bit
// Optimizers via Block-wise Quantization", ICLR 2022), in one pass and in place. l2 must be 0.
//
// Blocks of 256 neighbours of a row (the last may be shorter) have a scale, their largest magnitude. A moment is its
// scale times the value of its code, in a dynamic tree (the same paper, section 1.3) whose decade i has 2^i values,
// evenly spaced and ending in a power of ten, so that the largest of a block is exact:
//
//   value(c) = 10^(i - d) (0.9 (c + 1) / 2^i - 0.8), rounded to bf16,    2^i <= c < 2^(i + 1),    value(0) = 0
//
//   m: bits 0 ..< 7 are c, bit 7 is the sign, d = 6: 127 values of each sign from 1e-6 to 1
//   v: c in 8 bits, d = 7: 255 values from 1e-7 to 1
//
// A step decodes, updates by the formulas of ck_adamw.h, and encodes: x = moment / scale, rounded to 8 significant
// bits (halves away from zero), then to a code that is at most 0.2 spacings farther than the nearest. What has a value
// keeps it. A v that is not zero never gets code 0: m / sqrt(v) would have no bound. A scale below 2^-100 is zero, and
// its block's codes. Every variant makes the same weights, codes and scales, bit for bit: nothing is fused.
#ifndef CK_ADAMW8_H
#define CK_ADAMW8_H
#include "ck_adamw.h"

enum { CK_ADAMW8_BLOCK = 256 };

typedef struct ck_adamw8_moments {
  uint8_t *m, *v;             // [rows, columns]
  float *m_scales, *v_scales; // [rows, ceil(columns / 256)]
} ck_adamw8_moments;
ck_status ck_adamw8_step(const ck_context *context, const ck_step_matrix *matrix, ck_adamw8_moments moments,
                         ck_adamw_options options);
const ck_variant *ck_adamw8_variants(size_t *count);
#endif
