// Products of packed tiles on AMX:
//   c[r][l] = from[r][l] + sum_t a[r, t] b[t][l],   0 <= r < 16 m, 0 <= l < 16 n
// over `units` of 16 words, 32 bf16, of t. Each element is the same chain of units whatever it is computed with, so
// rows do not know each other. All rows and columns of a tile are read and written, whether they are in use or not.
#include "runtime/tiles_amx.inc.h"

typedef struct CK_NAME(tiles) {
  size_t m, n, units;
  const float *a;
  size_t a_row;
  const float *b;
  size_t b_row;
  const float *from; // NULL: zero
  size_t from_row;   // 0: the same row for all
  float *c;
  size_t c_row;
} CK_NAME(tiles);

// At most 2 x 2 tiles of sums, each load of an operand then serves two products.
CK_VECTOR void CK_NAME(tile_block)(const size_t m, const size_t n, const CK_NAME(tiles) * p, size_t i, size_t j) {
  const float *a = p->a + i * CK_SIDE * p->a_row, *b = p->b + j * CK_SIDE;
  const size_t a_bytes = p->a_row * 4, b_bytes = p->b_row * 4, c_bytes = p->c_row * 4, from_bytes = p->from_row * 4;
  if (p->from) {
    const float *from = p->from + i * CK_SIDE * p->from_row + j * CK_SIDE;
    _tile_loadd(0, from, from_bytes);
    if (n > 1) _tile_loadd(1, from + CK_SIDE, from_bytes);
    if (m > 1) _tile_loadd(2, from + CK_SIDE * p->from_row, from_bytes);
    if (m > 1 && n > 1) _tile_loadd(3, from + CK_SIDE * p->from_row + CK_SIDE, from_bytes);
  } else {
    _tile_zero(0);
    if (n > 1) _tile_zero(1);
    if (m > 1) _tile_zero(2);
    if (m > 1 && n > 1) _tile_zero(3);
  }
  for (size_t u = 0; u < p->units; u++, a += CK_SIDE, b += CK_SIDE * p->b_row) {
    _tile_loadd(4, a, a_bytes);
    _tile_loadd(6, b, b_bytes);
    _tile_dpbf16ps(0, 4, 6);
    if (m > 1) {
      _tile_loadd(5, a + CK_SIDE * p->a_row, a_bytes);
      _tile_dpbf16ps(2, 5, 6);
    }
    if (n > 1) {
      _tile_loadd(7, b + CK_SIDE, b_bytes);
      _tile_dpbf16ps(1, 4, 7);
      if (m > 1) _tile_dpbf16ps(3, 5, 7);
    }
  }
  float *c = p->c + i * CK_SIDE * p->c_row + j * CK_SIDE;
  _tile_stored(0, c, c_bytes);
  if (n > 1) _tile_stored(1, c + CK_SIDE, c_bytes);
  if (m > 1) _tile_stored(2, c + CK_SIDE * p->c_row, c_bytes);
  if (m > 1 && n > 1) _tile_stored(3, c + CK_SIDE * p->c_row + CK_SIDE, c_bytes);
}

static void CK_NAME(tile_product)(const CK_NAME(tiles) * p) {
  for (size_t i = 0; i < p->m; i += 2)
    for (size_t j = 0; j < p->n; j += 2) {
      if (i + 1 < p->m && j + 1 < p->n)
        CK_NAME(tile_block)(2, 2, p, i, j);
      else if (i + 1 < p->m)
        CK_NAME(tile_block)(2, 1, p, i, j);
      else if (j + 1 < p->n)
        CK_NAME(tile_block)(1, 2, p, i, j);
      else
        CK_NAME(tile_block)(1, 1, p, i, j);
    }
}
