// s8 x s8 -> s32 anywhere: 4 x 8, widened to s16 when packed.
#include "matmul/tile_rows.inc.h"
#include "matmul/types.h"
#include <string.h>

enum { MR = 4, NR = 8 };

CK_INLINE void tile_body(const ck_matmul_tile *tile, const size_t rows, const size_t panels) {
  int32_t sum[MR * NR];
  const size_t columns = NR * panels;
  const int16_t *a = tile->a;
  const char *b = tile->b;
  memset(sum, 0, sizeof sum);
  for (size_t k = 0; k < tile->groups; k++, a += rows, b += NR * sizeof *a)
    for (size_t p = 0; p < panels; p++) {
      int16_t bv[NR];
      memcpy(bv, b + p * tile->b_stride, sizeof bv);
      for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < NR; j++) sum[i * columns + p * NR + j] += a[i] * bv[j];
    }
  for (size_t i = 0; i < rows; i++) {
    char *c = (char *)tile->c + i * tile->c_stride * 4;
    for (size_t j = 0; j < tile->columns; j++) {
      int32_t s = sum[i * columns + j], before;
      memcpy(&before, c + 4 * j, sizeof before);
      if (!tile->first) s += before;
      if (tile->last && tile->row_scale) {
        const float scale = tile->row_scale[i] * tile->column_scale[j];
        const float value = (float)s * scale + (tile->bias ? tile->bias[j] : 0);
        memcpy(c + 4 * j, &value, sizeof value);
      } else
        memcpy(c + 4 * j, &s, sizeof s);
    }
  }
}

static void tile(const ck_matmul_tile *tile) {
  switch (CK_TILE_KEY(tile, NR)) { CK_TILE_CASES_4(tile_body) }
}

static void pack_a(void *panel, const void *source, size_t stride, size_t k_stride, size_t rows, size_t depth) {
  int16_t *to = panel;
  for (size_t k = 0; k < depth; k++)
    for (size_t i = 0; i < rows; i++) *to++ = ((const int8_t *)source)[i * stride + k * k_stride];
}

static void pack_b(void *panel, const void *source, size_t stride, size_t k_stride, size_t columns, size_t depth) {
  int16_t *to = panel;
  memset(panel, 0, depth * NR * sizeof *to);
  for (size_t k = 0; k < depth; k++, to += NR)
    for (size_t j = 0; j < columns; j++) to[j] = ((const int8_t *)source)[j * stride + k * k_stride];
}

const ck_matmul_kernel ck_matmul_s8_portable = {
    .element = 1,
    .mr = MR,
    .nr = NR,
    .kgroup = 1,
    .a_bytes = 2,
    .b_bytes = 2,
    .rate = 3,
    .pack_a = pack_a,
    .pack_b = pack_b,
    .tile = tile,
};
