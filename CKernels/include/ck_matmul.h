// Matrix products.
//
//   C[i, j]  =  epilogue(start(i, j) + sum over l of A[i, l] * B[l, j])        i < m, j < n, l < k
//
// All matrices are dense and row-major. CK_AS_IS: A is stored [m, k], B [k, n]. CK_TRANSPOSED: A is stored [k, m],
// B [n, k] (the layout of a linear layer's weights, [outputs, inputs]). start is 0, or C when accumulating.
//
// What is summed, and how (docs/Numerics.md derives it):
//   f32, f16, f32s8  one chain of multiply-adds in f32 over k in increasing order, fused on AVX2 and AVX-512
//   bf16, bf16s8     the same where the processor has no bf16 arithmetic; with it, one chain of vdpbf16ps over pairs
//   s8, u8s8         exact in 32 bits, for all values, on every instruction set; k is at most ck_product_max_k
//   s8s4*, s8u4*     exact in 32 bits within a group, then one chain over groups: fma(scale, sum of group, C) in f32
//   bf16s4*, bf16u4* the sum of a group in f32 over (q - zero point), then the same chain over groups
// (in the portable variants a multiply and an add, where the compiler's baseline has no fused one). So the bits of row
// i do not depend on m, on blocking, on packing ahead or on the number of workers; of a NaN, only that it is one.
#ifndef CK_MATMUL_H
#define CK_MATMUL_H
#include "ck_runtime.h"

typedef CK_ENUM(ck_orientation){CK_AS_IS = 0, CK_TRANSPOSED} ck_orientation;
typedef CK_ENUM(ck_store){CK_REPLACE = 0, CK_ACCUMULATE} ck_store;
// Elements in memory. Halves are passed as their 16 bits.
typedef CK_ENUM(ck_type){CK_F32 = 0, CK_BF16, CK_F16, CK_S8, CK_U8, CK_S32, CK_TYPES} ck_type;

// What multiplies what: A's type, then B's where it is another. s4 and u4: 4-bit integers in groups along k (of 32 or
// 128) that share a scale; s4 have the zero point 8, u4 one of their own.
typedef CK_ENUM(ck_product){
    CK_PRODUCT_F32 = 0,    CK_PRODUCT_BF16,      CK_PRODUCT_F16,        CK_PRODUCT_S8,
    CK_PRODUCT_U8S8,       CK_PRODUCT_F32S8,     CK_PRODUCT_BF16S8,     CK_PRODUCT_S8S4G32,
    CK_PRODUCT_S8S4G128,   CK_PRODUCT_S8U4G32,   CK_PRODUCT_S8U4G128,   CK_PRODUCT_BF16S4G32,
    CK_PRODUCT_BF16S4G128, CK_PRODUCT_BF16U4G32, CK_PRODUCT_BF16U4G128, CK_PRODUCTS,
} ck_product;
// Products of -128 * -128, and of 255 * -128, that a sum of 32 bits can hold.
const char *ck_product_name(ck_product product); // "f32", "s8s4g32", …; NULL for what is none
size_t ck_product_group(ck_product product);     // 32 or 128 with 4-bit weights, else 1
size_t ck_product_max_k(ck_product product);     // the largest for which no sum leaves s32; SIZE_MAX for sums in f32

// A. Besides the product's own type it may be f32, which is converted on the way: rounded to bf16 or f16 (nearest, ties
// to even), or quantized row by row to s8 with the scales of ck_quantize_rows_s8 (CK_AS_IS only), which multiply
// the result.
typedef struct ck_left {
  const void *data;
  ck_type type;
  ck_orientation orientation;
} ck_left;

// What happens to the sums on their way into C, in this order; whatever is NULL or zero is left out. C may be its own
// residual or operand; otherwise nothing may overlap it.
//   v = sum * (row_scales[i] * column_scales[j]) + bias[j]      (one fused multiply-add)
//   saved[i, j] = v
//   v = function(v, operand[i, j])
//   v = dropout(v), element i * n + j of the mask of (seed, stream)
//   v = v + residual[i, j]
//   C[i, j] = v, converted; to s8: round(v / result_scale) + result_zero, saturated (NaN becomes the zero point)
typedef CK_ENUM(ck_epilogue_function){
    CK_EPILOGUE_NONE = 0,
    CK_EPILOGUE_GELU_TANH,          // gelu(v)
    CK_EPILOGUE_GELU_ERF,           //
    CK_EPILOGUE_SILU,               // v * sigmoid(v)
    CK_EPILOGUE_GELU_TANH_GRADIENT, // v * gelu'(operand)
    CK_EPILOGUE_GELU_ERF_GRADIENT,  //
    CK_EPILOGUE_SILU_GATE,          // v * silu(operand)
    CK_EPILOGUE_MULTIPLY,           // v * operand
    CK_EPILOGUE_FUNCTIONS,
} ck_epilogue_function;
typedef struct ck_epilogue {
  const float *row_scales, *column_scales; // m; n
  const float *bias;                       // n
  void *saved;                             // [m, n] of operand_type
  const void *operand, *residual;          // [m, n] of operand_type
  ck_type operand_type;                    // of the three: CK_F32, CK_BF16 or CK_F16
  ck_epilogue_function function;
  float dropout; // rate, 0 for none; see ck_dropout.h
  uint64_t stream;
  uint64_t seed;
  float result_scale; // for s8
  int32_t result_zero;
} ck_epilogue;

typedef struct ck_result {
  void *data;   // [m, n]
  ck_type type; // f32, bf16, f16 or s8; s32 for the sums of s8 products as they are. Accumulating: f32 only
  ck_store store;
  const ck_epilogue *epilogue; // or NULL
} ck_result;

// B in memory: of the product's type for B, or, where that is bf16 or f16, f32 that is rounded (nearest, ties to even)
// on the way. Packed on the fly.
typedef struct ck_right {
  const void *data;
  ck_type type;
  ck_orientation orientation;
} ck_right;

// An empty m or n does nothing; k = 0 is an empty sum. The epilogue is copied, what it points to is not.
ck_status ck_matmul(const ck_context *context, ck_product product, size_t m, size_t n, size_t k, ck_left a, ck_right b,
                    ck_result c);

// B packed ahead, in the layout of the best variant that the context allows. Immutable but for ck_packed_update and the
// steps of optimizers (ck_step.h). Contexts that do not allow that variant cannot use it (CK_NO_KERNEL). Packing is not
// noted: the context of a list is CK_BAD_ARGUMENT.
typedef struct ck_packed ck_packed;
// How the weights lie in memory. Results are the same, bit for bit.
//   dense    all of them
//   bitmask  a bit for each, and those that are not zero: f32, bf16, f16, s8 and u8s8 products
typedef CK_ENUM(ck_form){CK_FORM_DENSE = 0, CK_FORM_BITMASK, CK_FORMS} ck_form;
typedef struct ck_weights {
  const void *data; // [k, n] or [n, k]; 4-bit: [n, k / 2] bytes, even k in the low half, CK_TRANSPOSED only
  ck_orientation orientation;
  const float *column_scales;   // n, copied; NULL: the epilogue's, or none
  const uint16_t *group_scales; // 4-bit: f16 [n, k / group]
  const uint8_t *zero_points;   // u4: [n, k / group], 0 ..< 16, checked; s4: NULL
  ck_form form;
} ck_weights;
// CK_BAD_SHAPE when the group does not divide k, or k is over the bound of exact sums; CK_BAD_ARGUMENT for a form that
// the product does not have. Only dense ones can be updated.
// placement: where the panels go on a machine with several NUMA nodes. Workers of a team like the context's read what
// is on their own node when it is partitioned or replicated. CK_PLACE_NODE is CK_BAD_ARGUMENT.
ck_status ck_packed_create(const ck_context *context, ck_product product, size_t n, size_t k, ck_weights weights,
                           ck_placement placement, ck_packed **out);
// Zeros, to be filled by ck_packed_update: of a product whose weights are f32, bf16 or f16, or CK_PRODUCT_S8, which
// then has column scales.
ck_status ck_packed_create_zero(const ck_context *context, ck_product product, size_t n, size_t k,
                                ck_placement placement, ck_packed **out);
// Fills a packed B of f32, bf16 or f16 weights without column scales from f32, rounded to nearest, ties to even:
// CK_TRANSPOSED from w [n, k], CK_AS_IS from w [k, n]. Work as any other, which a list may note: nobody may multiply
// with `packed` while it runs. CK_PRODUCT_S8 with column scales takes new ones: each column of B is quantized as
// ck_quantize_rows_s8 does a row. Optimizers' steps cannot do this on their way.
ck_status ck_packed_update(const ck_context *context, ck_packed *packed, const float *w, ck_orientation orientation);
// Both forms of a linear layer's weights w [rows, columns] in one pass over them: forward is CK_TRANSPOSED, n = rows;
// backward CK_AS_IS, n = columns. Both are of the same product.
ck_status ck_packed_update_both(const ck_context *context, ck_packed *forward, ck_packed *backward, const float *w);
void ck_packed_destroy(ck_packed *packed);
size_t ck_packed_bytes(const ck_packed *packed);    // of one copy of the panels
uint32_t ck_packed_copies(const ck_packed *packed); // 1, or one for each NUMA node
// Its column scales multiply the sums when the epilogue has none; an s32 C takes the sums as they are.
ck_status ck_matmul_packed(const ck_context *context, size_t m, ck_left a, const ck_packed *b, ck_result c);

// The products of training: all f32, bias or NULL.
ck_status ck_matmul_f32(const ck_context *context, size_t m, size_t n, size_t k, const float *a,
                        ck_orientation orientation_a, const float *b, ck_orientation orientation_b, float *c,
                        ck_store store, const float *bias);

// Best first, those of this build.
const ck_variant *ck_matmul_variants(ck_product product, size_t *count);
#endif
