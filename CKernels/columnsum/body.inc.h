#include "vector/math.inc.h"
#include "vector/columns.inc.h"

static void CK_NAME(sum_rows)(const float *x, size_t rows, size_t columns, float *sum) {
  vadd_rows(x, rows, columns, sum);
}

static void CK_NAME(sum_tree)(float *partials, size_t chunks, size_t columns, size_t first, size_t last, float *y) {
  vadd_tree(partials, chunks, columns, first, last, y);
}
