// Unstructured sparsity as a bit mask, in the sparse-bitmask layout of compressed-tensors:
//
//   mask         rows x ceil(columns / 8) bytes; column j is bit j mod 8 of byte j / 8 of its row; padding bits are 0
//   values       the elements whose bit is set, row-major, without gaps
//   row_offsets  rows numbers; row i's values start at values[row_offsets[i]]
//
// Dense matrices are row-major. Results are equal on every instruction set and for any number of workers.
#ifndef CK_BITMASK_H
#define CK_BITMASK_H
#include "ck_runtime.h"

// mask and row_offsets of x: a bit is set where x != 0 (so -0 is left out and NaN kept). *total = number of bits set,
// written when the operation has run.
ck_status ck_bitmask_f32(const ck_context *context, size_t rows, size_t columns, const float *x, uint8_t *mask,
                         int64_t *row_offsets, int64_t *total);
ck_status ck_bitmask_s8(const ck_context *context, size_t rows, size_t columns, const int8_t *x, uint8_t *mask,
                        int64_t *row_offsets, int64_t *total);
// values = the elements of x whose bit is set. `count` is the room in values.
ck_status ck_bitmask_compress_f32(const ck_context *context, size_t rows, size_t columns, const float *x,
                                  const uint8_t *mask, const int64_t *row_offsets, size_t count, float *values);
ck_status ck_bitmask_compress_s8(const ck_context *context, size_t rows, size_t columns, const int8_t *x,
                                 const uint8_t *mask, const int64_t *row_offsets, size_t count, int8_t *values);
// y = values at the set bits, +0 elsewhere. `count` is the number of values.
ck_status ck_bitmask_expand_f32(const ck_context *context, size_t rows, size_t columns, const float *values,
                                size_t count, const uint8_t *mask, const int64_t *row_offsets, float *y);
ck_status ck_bitmask_expand_s8(const ck_context *context, size_t rows, size_t columns, const int8_t *values,
                               size_t count, const uint8_t *mask, const int64_t *row_offsets, int8_t *y);
// Compress and expand give CK_BAD_ARGUMENT, and touch nothing, when a padding bit is set or when row_offsets are not
// the running sum of the rows' set bits, or that sum is not `count`: masks come from files. An
// operation noted in a list is checked when it is called; a row that does not fit any more when it runs is left out.

// y = +0 where the bit is clear, in place: the mask of a pruned weight applied to weight, gradient or moment.
ck_status ck_bitmask_apply_f32(const ck_context *context, size_t rows, size_t columns, const uint8_t *mask, float *y);
const ck_variant *ck_bitmask_variants(size_t *count);
#endif
