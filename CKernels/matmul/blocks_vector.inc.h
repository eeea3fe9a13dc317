// The tile of blocks on GNU vectors of CK_WIDTH bytes, for instruction sets without one of their own. Panels of A hold
// what one step of K multiplies as ck_element. Before including define
//   ck_lanes, ck_element    the vector of sums (f32 or s32), and an element of A
//   CK_VECTORS              vectors of sums in 16 columns
//   CK_BLOCKS_MR            rows
//   CK_STEPS                dwords of A in a K-group
//   ck_load_b(p, v, s)      what step s multiplies in vector v of a block of B
//   ck_dot(sum, a, b)       sum plus a, one element, times b
#include "matmul/blocks.h"
#include <string.h>

CK_INLINE void ck_blocks_body(const ck_matmul_tile *tile, const size_t rows) {
  const size_t group = ck_blocks_pitch(rows) * CK_STEPS;
  ck_lanes sum[CK_BLOCKS_MR][CK_VECTORS];
  ck_sum lanes[CK_BLOCK_COLUMNS] = {0};
  for (size_t i = 0; i < rows; i++) {
    if (tile->from) memcpy(lanes, (const char *)tile->from + i * tile->from_stride * 4, tile->columns * 4);
    memcpy(sum[i], lanes, sizeof lanes);
  }
  const char *b = tile->b;
  for (size_t u = 0; u < tile->units; u++, b += CK_BLOCK_BYTES) {
    const ck_element *a = (const ck_element *)tile->a + tile->index[u] * group;
    __builtin_prefetch(b + 1024);
#pragma clang loop unroll(full)
    for (size_t s = 0; s < CK_STEPS; s++) {
      ck_lanes bv[CK_VECTORS];
#pragma clang loop unroll(full)
      for (size_t v = 0; v < CK_VECTORS; v++) bv[v] = ck_load_b(b, v, s);
#pragma clang loop unroll(full)
      for (size_t i = 0; i < rows; i++)
#pragma clang loop unroll(full)
        for (size_t v = 0; v < CK_VECTORS; v++) sum[i][v] = ck_dot(sum[i][v], a[i * CK_STEPS + s], bv[v]);
    }
  }
  for (size_t i = 0; i < rows; i++) {
    memcpy(lanes, sum[i], sizeof lanes);
    memcpy((char *)tile->to + i * tile->to_stride * 4, lanes, tile->columns * 4);
  }
}

static void ck_tile(const ck_matmul_tile *tile) {
  switch (tile->rows) {
  case 1:
    return ck_blocks_body(tile, 1);
  case 2:
    return ck_blocks_body(tile, 2);
#if CK_BLOCKS_MR > 2
  case 3:
    return ck_blocks_body(tile, 3);
  case 4:
    return ck_blocks_body(tile, 4);
  case 5:
    return ck_blocks_body(tile, 5);
  case 6:
    return ck_blocks_body(tile, 6);
#endif
  }
}
