// Inverted dropout (Srivastava et al., JMLR 2014, section 10) with a mask that is recomputed, never stored.
//
//   element e: block e / 8 of Philox4x32-10 (ck_random.h), word (e mod 8) / 2, half e mod 2 (0: low 16 bits)
//   kept iff half >= t, t = round(65536 rate);  y = kept ? x * (65536 / (65536 - t)) : +0
//
// so that the mean over all halves is exactly x. The gradient is the same call on dy.
// `first` is the index of x[0] in the stream and a multiple of 8. 0 <= rate, and t <= 65535, else CK_BAD_ARGUMENT.
// x and y may be the same pointer; otherwise they must not overlap. A dropped element is +0 even where x is NaN.
#ifndef CK_DROPOUT_H
#define CK_DROPOUT_H
#include "ck_runtime.h"

ck_status ck_dropout_f32(const ck_context *context, uint64_t seed, uint64_t stream, uint64_t first, double rate,
                         size_t count, const float *x, float *y);
const ck_variant *ck_dropout_variants(size_t *count);
#endif
