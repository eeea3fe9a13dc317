// The factored second moment, a chunk of rows or columns at a time. See ck_layerwise.h for the formulas.
#include "vector/math.inc.h"
#include "vector/squares.inc.h"
#include "vector/typed.inc.h"
#include "vector/columns.inc.h"

// row[i] of some rows, and the sums of their squares down the columns.
static void CK_NAME(moments_of_rows)(const float *g, float scale, size_t rows, size_t columns, float decay, float rest,
                                     float epsilon, float *row, float *sums) {
  for (size_t i = 0; i < rows; i++, g += columns) {
    const double mean = (double)scale * (double)scale * CK_NAME(squares)(g, columns) / (double)columns;
    row[i] = decay * row[i] + rest * ((float)mean + epsilon);
    size_t j = 0;
    for (; j + CK_LANES <= columns; j += CK_LANES) {
      const vfloat x = vload(g + j) * scale;
      vstore(sums + j, vfma(x, x, vload(sums + j)));
    }
    if (j < columns) {
      const vfloat x = vload_part(g + j, columns - j, 0) * scale;
      vstore_part(sums + j, columns - j, vfma(x, x, vload_part(sums + j, columns - j, 0)));
    }
  }
}

// column[j] of columns first ..< last, from the sums of chunks, which are overwritten; `sums` has room for a row.
static void CK_NAME(moments_of_columns)(float *partials, size_t chunks, size_t rows, size_t columns, size_t first,
                                        size_t last, float decay, float rest, float epsilon, float *sums,
                                        float *column) {
  vadd_tree(partials, chunks, columns, first, last, CK_REPLACE, sums);
  const float share = 1 / (float)rows;
  for (size_t j = first; j < last; j++) column[j] = decay * column[j] + rest * (sums[j] * share + epsilon);
}

// One row of directions: u[j] = g[j] of_row / sqrt(column[j]).
static void CK_NAME(factored_row)(const float *g, float of_row, const float *column, size_t columns, float *u) {
  size_t j = 0;
  for (; j + CK_LANES <= columns; j += CK_LANES)
    vstore(u + j, vload(g + j) * of_row / __builtin_elementwise_sqrt(vload(column + j)));
  if (j < columns) {
    const size_t n = columns - j;
    const vfloat root = __builtin_elementwise_sqrt(vload_part(column + j, n, 1));
    vstore_part(u + j, n, vload_part(g + j, n, 0) * of_row / root);
  }
}
