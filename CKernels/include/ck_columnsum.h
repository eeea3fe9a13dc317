// Sums down the columns of a dense matrix [rows, columns]: the gradient of a bias.
#ifndef CK_COLUMNSUM_H
#define CK_COLUMNSUM_H
#include "ck_matmul.h" // ck_type and ck_store
#include "ck_runtime.h"
// y[j] = sum over i of x[i,j], added to what is there or replacing it. x is of x_type, f32 or bf16; sums are in f32:
// rows in chunks of 64 (more when rows > 16384), then a tree over the chunks, so the bits depend on the shape and not
// on the workers.
ck_status ck_columnsum(const ck_context *context, size_t rows, size_t columns, const void *x, ck_type x_type, float *y,
                       ck_store store);
const ck_variant *ck_columnsum_variants(size_t *count);
#endif
