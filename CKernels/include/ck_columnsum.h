// Sums down the columns of a dense matrix [rows, columns]: the gradient of a bias.
#ifndef CK_COLUMNSUM_H
#define CK_COLUMNSUM_H
#include "ck_runtime.h"
// y[j] += sum over i of x[i,j]: rows in chunks of 64 (more when rows > 16384), then a tree over the chunks, so the bits
// depend on the shape and not on the workers.
ck_status ck_columnsum_f32(const ck_context *context, size_t rows, size_t columns, const float *x, float *y);
const ck_variant *ck_columnsum_variants(size_t *count);
#endif
