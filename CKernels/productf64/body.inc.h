#include "vector/math.inc.h"

// A vector of doubles where vfloat has floats. A tile is TILE_ROWS x 3 of them: 24 sums where there are 32 registers,
// 12 where there are 16.
typedef double CK_NAME(vdouble) __attribute__((ext_vector_type(CK_LANES / 2)));
#undef VDOUBLE
#undef TILE_ROWS
#undef TILE_COLUMNS
#define VDOUBLE CK_NAME(vdouble)
#define TILE_ROWS (CK_LANES == 16 ? 8 : 4)
#define TILE_COLUMNS (3 * CK_LANES / 2)

CK_VECTOR VDOUBLE CK_NAME(fma_f64)(VDOUBLE a, VDOUBLE b, VDOUBLE c) {
#if CK_LANES > 4 || defined(__aarch64__)
  return __builtin_elementwise_fma(a, b, c);
#else
  return a * b + c;
#endif
}

// The tile's sums taken off c: `rows` of the tile's rows exist, and `columns` of its columns. b is packed in steps of
// TILE_COLUMNS.
static void CK_NAME(subtract_tile)(size_t K, const double *a, size_t a_stride, size_t rows, const double *b, double *c,
                                   size_t c_stride, size_t columns) {
  VDOUBLE sums[TILE_ROWS][3] = {0};
  const double *row[TILE_ROWS]; // a row that does not exist is the last one again, and is not stored
  for (size_t r = 0; r < TILE_ROWS; ++r) row[r] = a + ck_min(r, rows - 1) * a_stride;
  for (size_t k = 0; k < K; ++k, b += TILE_COLUMNS) {
    VDOUBLE right[3];
    __builtin_memcpy(right, b, sizeof right);
#pragma clang loop unroll(full)
    for (size_t r = 0; r < TILE_ROWS; ++r) {
      const VDOUBLE left = (VDOUBLE)(row[r][k]);
#pragma clang loop unroll(full)
      for (size_t v = 0; v < 3; ++v) sums[r][v] = CK_NAME(fma_f64)(left, right[v], sums[r][v]);
    }
  }
  for (size_t r = 0; r < rows; ++r) {
    double *to = c + r * c_stride;
    VDOUBLE old[3] = {0};
    __builtin_memcpy(old, to, columns * sizeof *to);
    for (size_t v = 0; v < 3; ++v) old[v] -= sums[r][v];
    __builtin_memcpy(to, old, columns * sizeof *to);
  }
}

// A block of c: `b` holds ceil(columns / TILE_COLUMNS) packed panels of K steps.
static void CK_NAME(subtract_block)(size_t rows, size_t columns, size_t K, const double *a, size_t a_stride,
                                    const double *b, double *c, size_t c_stride) {
  for (size_t j = 0; j < columns; j += TILE_COLUMNS)
    for (size_t i = 0; i < rows; i += TILE_ROWS)
      CK_NAME(subtract_tile)(K, a + i * a_stride, a_stride, ck_min(TILE_ROWS, rows - i), b + j * K,
                             c + i * c_stride + j, c_stride, ck_min(TILE_COLUMNS, columns - j));
}

enum { CK_NAME(tile_columns) = TILE_COLUMNS };
