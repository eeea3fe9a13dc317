// Inverted dropout (Srivastava et al., JMLR 2014, section 10) with a mask that is recomputed, never stored.
//
//   element e: block e / 8 of Philox4x32-10 (ck_random.h), word (e mod 8) / 2, half e mod 2 (0: low 16 bits)
//   kept iff half >= t, t = round(65536 rate);  y = kept ? x * (65536 / (65536 - t)) : +0
//
// so that the mean over all halves is exactly x. The gradient is the same call on dy.
// x and y are each CK_F32 or CK_BF16. The product is in f32; bf16 is rounded from it to nearest, ties to even. At t = 0
// nothing is multiplied: y is x, converted. Types do not change the mask.
// `first` is the index of x[0] in the stream and a multiple of 8. 0 <= rate, and t <= 65535, else CK_BAD_ARGUMENT.
// x and y may be the same pointer when they are of one type; otherwise they must not overlap. A dropped element is +0
// even where x is NaN.
#ifndef CK_DROPOUT_H
#define CK_DROPOUT_H
#include "ck_matmul.h" // ck_type
#include "ck_runtime.h"

ck_status ck_dropout(const ck_context *context, uint64_t seed, uint64_t stream, uint64_t first, double rate,
                     size_t count, const void *x, ck_type x_type, void *y, ck_type y_type);
const ck_variant *ck_dropout_variants(size_t *count);
#endif
