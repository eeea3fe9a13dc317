// Rotary position embedding (Su et al., "RoFormer", 2021, section 3.2.2): in each head, pair k of elements turns by the
// angle p theta^(-2k / width), p the position of its row.
//   y_a = x_a c - x_b s,   y_b = x_b c + x_a s,   c = cosine[p, k], s = sine[p, k],   0 <= k < width / 2
//   CK_ROPE_INTERLEAVED  a = 2k, b = 2k + 1        (the paper's)
//   CK_ROPE_HALVES       a = k,  b = k + width / 2 ("rotate_half": Llama's files)
#ifndef CK_ROPE_H
#define CK_ROPE_H
#include "ck_matmul.h" // ck_type
#include "ck_runtime.h"

typedef CK_ENUM(ck_rope_layout){CK_ROPE_INTERLEAVED = 0, CK_ROPE_HALVES} ck_rope_layout;

// Head h of row i begins at element i * row + h * head of x and of y, each with distances of its own; row i stands at
// position first_position + i mod length. So the queries and keys of packed rows [batch, length, (heads + 2 kv_heads)
// D] turn in one call of heads + kv_heads heads, and a head of which only the first part turns is one of less width.
typedef struct ck_rope_shape {
  size_t rows, length, heads, width; // width, the elements that turn, is even
  size_t x_row, x_head, y_row, y_head;
  size_t first_position;
} ck_rope_shape;

// x and y are of `type`, CK_F32 or CK_BF16; arithmetic is in f32, and a result in bf16 is rounded once, to nearest,
// ties to even. cosine and sine are [positions, width / 2]. y may be x when the distances are equal. Elements of y that
// do not turn are not written. An odd width, no length: CK_BAD_SHAPE; a row beyond `positions`: CK_BAD_ARGUMENT. The
// bits of a row do not depend on the other rows.
ck_status ck_rope(const ck_context *context, ck_rope_layout layout, ck_type type, ck_rope_shape shape, const void *x,
                  const float *cosine, const float *sine, size_t positions, void *y);
// The inverse rotation, which is the gradient: dx from dy, of which the distances are x's and y's in the shape: it
// turns back what is at x.
ck_status ck_rope_backward(const ck_context *context, ck_rope_layout layout, ck_type type, ck_rope_shape shape,
                           const void *x, const float *cosine, const float *sine, size_t positions, void *y);

// cosine[p, k] and sine[p, k] of p theta^(-2k / width), computed in f64 and rounded: [positions, width / 2].
// theta > 0, usually 10000.
ck_status ck_rope_tables_f32(const ck_context *context, double theta, size_t width, size_t positions, float *cosine,
                             float *sine);
const ck_variant *ck_rope_variants(size_t *count);
#endif
