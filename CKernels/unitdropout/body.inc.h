// See ck_unitdropout.h for the formula.
#include "vector/math.inc.h"

#include "random/philox.inc.h"

// Elements from ..< from + count of the stream, from the start of a block; `column` is that of the first of them.
static void CK_NAME(drop_units)(const ck_philox *philox, uint64_t block, size_t column, size_t columns,
                                const uint16_t *thresholds, const float *scales, size_t count, const float *x,
                                float *y) {
  enum { GROUP = 16 * CK_LANES }; // elements whose halves are drawn together
  const vphilox_keys keys = vphilox_spread(philox);
  for (size_t i = 0; i < count; i += GROUP) {
    vuint words[8];
    uint16_t halves[GROUP];
    vphilox_wide(&keys, block + i / 8, words);
    __builtin_memcpy(halves, words, sizeof halves);
    const size_t end = ck_min(GROUP, count - i);
    for (size_t k = 0; k < end;) {
      // Up to the end of the row.
      const size_t run = ck_min(end - k, columns - column);
      for (size_t r = 0; r < run; r++) {
        const float value = x[i + k + r] * scales[column + r];
        y[i + k + r] = halves[k + r] >= thresholds[column + r] ? value : 0.0f;
      }
      k += run;
      column += run;
      if (column == columns) column = 0;
    }
  }
}

static void CK_NAME(scale_columns)(const float *x, const float *scales, size_t rows, size_t columns, float *y) {
  for (size_t i = 0; i < rows; i++, x += columns, y += columns) {
    size_t j = 0;
    for (; j + CK_LANES <= columns; j += CK_LANES) vstore(y + j, vload(x + j) * vload(scales + j));
    if (j < columns) {
      const size_t n = columns - j;
      vstore_part(y + j, n, vload_part(x + j, n, 0) * vload_part(scales + j, n, 0));
    }
  }
}

// The half of one element.
static uint16_t CK_NAME(half_of)(const ck_philox *philox, uint64_t element) {
  const vphilox_keys keys = vphilox_spread(philox);
  vuint words[8];
  uint16_t halves[16 * CK_LANES];
  vphilox_wide(&keys, element / 8, words);
  __builtin_memcpy(halves, words, sizeof halves);
  return halves[element % 8];
}

static void CK_NAME(scale_row)(const float *x, float scale, size_t count, float *y) {
  size_t i = 0;
  for (; i + CK_LANES <= count; i += CK_LANES) vstore(y + i, vload(x + i) * scale);
  if (i < count) vstore_part(y + i, count - i, vload_part(x + i, count - i, 0) * scale);
}
