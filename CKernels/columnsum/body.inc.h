#include "vector/math.inc.h"
#include "vector/typed.inc.h"
#include "vector/columns.inc.h"

static void CK_NAME(sum_rows)(const void *x, size_t rows, size_t columns, float *sum) {
  vadd_rows(x, CK_F32, rows, columns, sum);
}

static void CK_NAME(sum_rows_bf16)(const void *x, size_t rows, size_t columns, float *sum) {
  vadd_rows(x, CK_BF16, rows, columns, sum);
}

static void CK_NAME(sum_tree)(float *partials, size_t chunks, size_t columns, size_t first, size_t last, ck_store store,
                              float *y) {
  vadd_tree(partials, chunks, columns, first, last, store, y);
}
