// SwiGLU: a linear unit behind a gate (Shazeer, "GLU variants improve transformer", 2020, equation 6).
//   y[i,j] = silu(gate[i,j]) up[i,j],   silu(g) = g s(g),  s(g) = 1 / (1 + exp(-g)),   0 <= i < rows, 0 <= j < width
// Rows of gate and up begin input_row elements apart: width for two dense arrays; 2 width when both are halves of the
// rows of one [rows, 2 width], with up = gate + width. y and dy are dense.
// All are of one type, CK_F32 or CK_BF16. Arithmetic is in f32, and a result in bf16 is rounded once, to nearest, ties
// to even. Gates below -87 count as -87,
// where silu and its derivative are -1e-36. The bits of an element depend on its own operands only.
#ifndef CK_SWIGLU_H
#define CK_SWIGLU_H
#include "ck_matmul.h" // ck_type
#include "ck_runtime.h"

// y may be gate or up when they are dense. input_row < width: CK_BAD_SHAPE.
ck_status ck_swiglu(const ck_context *context, ck_type type, size_t rows, size_t width, const void *gate,
                    const void *up, size_t input_row, void *y);
// d_gate = dy up silu'(gate),  d_up = dy silu(gate),   silu'(g) = s + g s (1 - s)
// d_gate and d_up have rows input_row apart too, and may be gate and up.
ck_status ck_swiglu_backward(const ck_context *context, ck_type type, size_t rows, size_t width, const void *dy,
                             const void *gate, const void *up, size_t input_row, void *d_gate, void *d_up);
const ck_variant *ck_swiglu_variants(size_t *count);
#endif
