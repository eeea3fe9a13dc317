// Matrix products.
//
//   C[i, j]  =  start(i, j) + sum over k of A[i, k] * B[k, j]        i < m, j < n, k < depth
//
// All matrices are dense and row-major. CK_AS_IS: A is stored [m, k], B [k, n]. CK_TRANSPOSED: A is stored [k, m],
// B [n, k] (the layout of a linear layer's weights, [outputs, inputs]).
//
// f32: each element of C is one chain of multiply-adds over k in increasing order, which starts from 0, or from the
// value already in C when accumulating, and ends with the bias. It is fused on AVX2 and AVX-512. So the bits do not
// depend on m, on blocking, on packing or on the number of workers.
// s8: sums are exact in 32 bits, for all values from -128 to 127, on every instruction set; k is at most 131071, the
// largest for which no sum of products leaves s32.
#ifndef CK_MATMUL_H
#define CK_MATMUL_H
#include "ck_runtime.h"

typedef enum ck_orientation : int32_t { CK_AS_IS = 0, CK_TRANSPOSED } ck_orientation;
typedef enum ck_store : int32_t { CK_REPLACE = 0, CK_ACCUMULATE } ck_store;
enum { CK_MATMUL_S8_MAX_K = 131071 };

// bias has n elements, or is NULL. An empty m or n does nothing; k = 0 is an empty sum.
ck_status ck_matmul_f32(const ck_context *context, size_t m, size_t n, size_t k, const float *a,
                        ck_orientation orientation_a, const float *b, ck_orientation orientation_b, float *c,
                        ck_store store, const float *bias);

// B packed ahead, in the layout of the best variant that the context allows. Immutable. Contexts that do not allow that
// variant cannot use it (CK_NO_KERNEL). Packing is not noted: the context of a list is CK_BAD_ARGUMENT.
typedef struct ck_packed ck_packed;
ck_status ck_packed_create_f32(const ck_context *context, size_t n, size_t k, const float *b,
                               ck_orientation orientation, ck_packed **out);
// column_scales: n scales for the dequantizing product, copied.
ck_status ck_packed_create_s8(const ck_context *context, size_t n, size_t k, const int8_t *b,
                              ck_orientation orientation, const float *column_scales, ck_packed **out);
void ck_packed_destroy(ck_packed *packed);
size_t ck_packed_bytes(const ck_packed *packed);

ck_status ck_matmul_f32_packed(const ck_context *context, size_t m, const float *a, ck_orientation orientation_a,
                               const ck_packed *b, float *c, ck_store store, const float *bias);
// A [m, k].
ck_status ck_matmul_s8_packed(const ck_context *context, size_t m, const int8_t *a, const ck_packed *b, int32_t *c);
// C[i, j] = sum[i, j] * (row_scales[i] * column_scales[j]) + bias[j], the last two steps fused where the sum is.
ck_status ck_matmul_s8_packed_dequantized(const ck_context *context, size_t m, const int8_t *a, const float *row_scales,
                                          const ck_packed *b, float *c, const float *bias);

// Best first, those of this build.
const ck_variant *ck_matmul_f32_variants(size_t *count);
const ck_variant *ck_matmul_s8_variants(size_t *count);
#endif
