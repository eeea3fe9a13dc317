// Rows of f32, rounded to 16 bits on their way into a panel of B. Needs vector/math.inc.h first, which the includer's
// widths need as well.
#include "vector/math.inc.h"

#include "vector/halves.inc.h"

enum { CK_NAME(narrow_rows_ahead) = 8 }; // rows to fetch ahead: they are far from each other in memory

#define NARROW_ROWS(type)                                                                                              \
  static void CK_NAME(narrow_rows_##type)(size_t rows, size_t columns, const char *x, size_t x_stride, uint16_t *y,    \
                                          size_t y_stride) {                                                           \
    for (size_t i = 0; i < rows; i++, x += x_stride, y += y_stride) {                                                  \
      const float *row = (const float *)x;                                                                             \
      const char *next = x + CK_NAME(narrow_rows_ahead) * x_stride;                                                    \
      for (size_t line = 0; line < columns * 4; line += 64) __builtin_prefetch(next + line);                           \
      size_t j = 0;                                                                                                    \
      for (; j + CK_LANES <= columns; j += CK_LANES) CK_NAME(ck_store_##type)(y + j, vload(row + j));                  \
      if (j < columns) CK_NAME(ck_store_##type##_part)(y + j, columns - j, vload_part(row + j, columns - j, 0));       \
    }                                                                                                                  \
  }
NARROW_ROWS(bf16)
NARROW_ROWS(f16)
#undef NARROW_ROWS
