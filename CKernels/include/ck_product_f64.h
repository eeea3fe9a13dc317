// Products in double precision, for factorizations of matrices (not for models).
#ifndef CK_PRODUCT_F64_H
#define CK_PRODUCT_F64_H
#include "ck_matmul.h" // ck_orientation
#include "ck_runtime.h"
// c[i * c_stride + j] -= sum over k of a[i * a_stride + k] * B(k,j), for i < M, j < N, k < K, where B(k,j) is
// b[k * b_stride + j], or b[j * b_stride + k] when transposed. c may lie between elements of a and b (parts of one
// matrix), but shares none with them. The bits do not depend on the workers.
ck_status ck_subtract_product_f64(const ck_context *context, size_t M, size_t N, size_t K, const double *a,
                                  size_t a_stride, const double *b, size_t b_stride, ck_orientation b_orientation,
                                  double *c, size_t c_stride);
const ck_variant *ck_product_f64_variants(size_t *count);
#endif
