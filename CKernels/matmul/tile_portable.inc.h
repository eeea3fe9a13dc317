// The tile of every dense product in plain C: 4 x 8 on vectors of four, which a compiler maps to whatever the machine's
// baseline has. A K-group is one step. Define before:
//   ck_lanes               vector of 4 sums, float or int32_t
//   ck_element             packed element of A
//   ck_dot(sum, a, b)      sum plus an element of A times 4 of B; one body for all cases, so one chain for every shape
//   ck_load_b(p, v)        vector v of a unit of B, a unit being one step of 8 columns
//   CK_UNIT_BYTES          of a unit of B
#include "matmul/elements_portable.inc.h"
#include "matmul/tile_rows.inc.h"

CK_INLINE void ck_tile_body(const ck_matmul_tile *tile, const size_t rows, const size_t panels) {
  ck_lanes sum[CK_MR * 2];
  const size_t vectors = 2 * panels, row_bytes = vectors * sizeof(ck_lanes);
  const ck_element *a = tile->a;
  const char *b = tile->b;
  char edge[CK_MR * 2 * sizeof(ck_lanes)]; // sums of all columns, missing ones included
  memset(edge, 0, sizeof edge);
  if (tile->from)
    for (size_t i = 0; i < rows; i++)
      memcpy(edge + i * row_bytes, (const char *)tile->from + i * tile->from_stride * 4, tile->columns * 4);
  memcpy(sum, edge, rows * row_bytes);
  for (size_t u = 0; u < tile->units; u++, a += rows, b += CK_UNIT_BYTES) {
#pragma clang loop unroll(full)
    for (size_t v = 0; v < vectors; v++) {
      const ck_lanes bv = ck_load_b(b + v / 2 * tile->b_stride, v % 2);
#pragma clang loop unroll(full)
      for (size_t i = 0; i < rows; i++) sum[i * vectors + v] = ck_dot(sum[i * vectors + v], a[i], bv);
    }
  }
  memcpy(edge, sum, rows * row_bytes);
  for (size_t i = 0; i < rows; i++)
    memcpy((char *)tile->to + i * tile->to_stride * 4, edge + i * row_bytes, tile->columns * 4);
}

static void ck_tile(const ck_matmul_tile *tile) {
  switch (CK_TILE_KEY(tile, CK_NR)) { CK_TILE_CASES_4(ck_tile_body) }
}
