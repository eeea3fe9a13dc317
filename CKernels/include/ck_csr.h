// Unstructured sparsity as compressed sparse rows (CSR), to exchange and to multiply with:
//
//   row_offsets  rows + 1 numbers; row i's elements are row_offsets[i] ..< row_offsets[i + 1]; the first is 0, the last
//                is `count`
//   columns      the columns of the elements, strictly ascending in each row
//   values       the elements
//
// A weight [n, k] of which few elements are left multiplies faster than a dense one once it is packed (ck_csr_create):
// tokens go into vector lanes, so that any pattern of elements keeps the lanes full.
#ifndef CK_CSR_H
#define CK_CSR_H
#include "ck_matmul.h"

typedef struct ck_csr_arrays {
  const int64_t *row_offsets;
  const int32_t *columns;
  const void *values;
  ck_type type; // of values: CK_F32 or CK_BF16
  size_t count; // elements of columns and values
} ck_csr_arrays;

// What is wrong with the arrays of a matrix, which may come from a file.
typedef CK_ENUM(ck_csr_fault){
    CK_CSR_SOUND = 0,
    CK_CSR_FIRST_OFFSET, // is not 0
    CK_CSR_LAST_OFFSET,  // is not count
    CK_CSR_OFFSET_ORDER, // a row ends before it starts, or past count
    CK_CSR_COLUMN_RANGE, // a column that is none of 0 ..< columns
    CK_CSR_COLUMN_ORDER, // columns of a row that do not ascend
} ck_csr_fault;
// *row: the first row with a fault. Nothing past `count` elements is read, whatever the offsets say.
ck_csr_fault ck_csr_check(size_t rows, size_t columns, ck_csr_arrays arrays, size_t *row);

// To CSR: elements that are not 0 (so -0 is left out and NaN kept). row_offsets[0] = 0 and row_offsets[i + 1] =
// elements in rows 0 ... i.
ck_status ck_csr_count_f32(const ck_context *context, size_t rows, size_t columns, const float *x,
                           int64_t *row_offsets);
// columns and values have `count` elements. CK_BAD_ARGUMENT for offsets that do not run from 0 to count; a row that
// has more or fewer elements than its offsets say is left out. CK_BAD_SHAPE for more columns than 32 bits can number.
ck_status ck_csr_fill_f32(const ck_context *context, size_t rows, size_t columns, const float *x,
                          const int64_t *row_offsets, size_t count, int32_t *column, float *values);
// To a dense y [rows, columns] of f32: +0 where there is no element. CK_BAD_ARGUMENT, and nothing written, for arrays
// with a fault; in a list, whose arrays may change after they were checked, a row that does not fit is left out.
ck_status ck_csr_expand_f32(const ck_context *context, size_t rows, size_t columns, ck_csr_arrays arrays, float *y);

// The weights of a linear layer [n, k], packed. Immutable but for ck_csr_update; any context can multiply with it.
// CK_BAD_ARGUMENT for arrays with a fault, CK_PLACE_NODE and the context of a list. placement as in ck_packed_create.
typedef struct ck_csr ck_csr;
ck_status ck_csr_create(const ck_context *context, size_t n, size_t k, ck_csr_arrays arrays, ck_placement placement,
                        ck_csr **out);
void ck_csr_destroy(ck_csr *csr);
size_t ck_csr_bytes(const ck_csr *csr); // of one copy
// New values for the same elements, zeros among them included, from a dense f32 matrix: CK_TRANSPOSED from w [n, k],
// CK_AS_IS from w [k, n]. Values of bf16 are rounded to nearest, ties to even. Other elements of w are not read. Work
// as any other, which a list may note: nobody may multiply with `csr` while it runs.
ck_status ck_csr_update(const ck_context *context, ck_csr *csr, const float *w, ck_orientation orientation);

// C[i, j] = epilogue(sum over the elements (j, l) of W of A[i, l] * W[j, l]), i < m, j < n.
// A [m, k] is f32 or bf16 (CK_AS_IS), C as in ck_matmul.h; CK_ACCUMULATE is CK_BAD_ARGUMENT (a residual does that).
// Each sum is one chain of multiply-adds in f32 over the elements in increasing order of l, from 0: its bits depend on
// the row of A, the row of W and the instruction set, not on m or on the number of workers. Elements that are not there
// are not multiplied: an infinite A[i, l] gives no NaN.
ck_status ck_csr_matmul(const ck_context *context, size_t m, ck_left a, const ck_csr *csr, ck_result c);

// dW[j, l] = sum over i < m of dY[i, j] * X[i, l] for the elements (j, l) of W, and +0 elsewhere; accumulating, it is
// added, and nothing else of dW is touched. The values of W are not read.
// dY [m, n] and X [m, k] are f32 or bf16 (CK_AS_IS), dW [n, k] is f32; m = 0 is an empty sum. Tokens are summed in
// vectors, a few of them as a chain of multiply-adds in f32 in each lane, then the lanes in a tree, then these sums in
// increasing order of i: the bits depend on the instruction set, not on the number of workers. Products that are not
// there are not computed: an infinite X[i, l] gives no NaN where W has no element.
ck_status ck_csr_gradient(const ck_context *context, size_t m, ck_left dy, ck_left x, const ck_csr *csr, float *dw,
                          ck_store store);
// Variants of both products.
const ck_variant *ck_csr_variants(size_t *count);
#endif
