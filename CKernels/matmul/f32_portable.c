// f32 anywhere: 4 x 8 on vectors of four. A multiply and an add, fused only where the compiler's baseline fuses; all
// cases go through one body, so the chain is the same for every shape.
#include "matmul/tile_rows.inc.h"
#include "matmul/types.h"
#include <string.h>

enum { MR = 4, NR = 8 };
typedef float f32x4 __attribute__((vector_size(16)));

CK_INLINE void tile_body(const ck_matmul_tile *tile, const size_t rows, const size_t panels) {
  f32x4 sum[MR * 2];
  const size_t vectors = 2 * panels, b_stride = tile->b_stride / sizeof(float);
  const float *a = tile->a, *b = tile->b;
  float edge[MR * NR]; // C, or zeros
  memset(edge, 0, sizeof edge);
  if (!tile->first)
    for (size_t i = 0; i < rows; i++)
      memcpy(edge + i * vectors * 4, (const float *)tile->c + i * tile->c_stride, tile->columns * sizeof(float));
#pragma clang loop unroll(full)
  for (size_t i = 0; i < rows * vectors; i++) memcpy(&sum[i], edge + 4 * i, sizeof sum[i]);
  for (size_t k = 0; k < tile->groups; k++, a += rows, b += NR) {
#pragma clang loop unroll(full)
    for (size_t v = 0; v < vectors; v++) {
      f32x4 bv;
      memcpy(&bv, b + v / 2 * b_stride + v % 2 * 4, sizeof bv);
#pragma clang loop unroll(full)
      for (size_t i = 0; i < rows; i++) sum[i * vectors + v] += a[i] * bv;
    }
  }
#pragma clang loop unroll(full)
  for (size_t i = 0; i < rows * vectors; i++) memcpy(edge + 4 * i, &sum[i], sizeof sum[i]);
  for (size_t i = 0; i < rows; i++) {
    float *c = (float *)tile->c + i * tile->c_stride;
    for (size_t j = 0; j < tile->columns; j++)
      c[j] = edge[i * vectors * 4 + j] + (tile->last && tile->bias ? tile->bias[j] : 0);
  }
}

static void tile(const ck_matmul_tile *tile) {
  switch (CK_TILE_KEY(tile, NR)) { CK_TILE_CASES_4(tile_body) }
}

static void pack_a(void *panel, const void *source, size_t stride, size_t k_stride, size_t rows, size_t depth) {
  float *to = panel;
  for (size_t k = 0; k < depth; k++)
    for (size_t i = 0; i < rows; i++) memcpy(to++, (const char *)source + i * stride + k * k_stride, sizeof(float));
}

static void pack_b(void *panel, const void *source, size_t stride, size_t k_stride, size_t columns, size_t depth) {
  float *to = panel;
  memset(panel, 0, depth * NR * sizeof(float));
  for (size_t k = 0; k < depth; k++, to += NR)
    for (size_t j = 0; j < columns; j++)
      memcpy(to + j, (const char *)source + j * stride + k * k_stride, sizeof(float));
}

const ck_matmul_kernel ck_matmul_f32_portable = {
    .element = 4,
    .mr = MR,
    .nr = NR,
    .kgroup = 1,
    .a_bytes = 4,
    .b_bytes = 4,
    .rate = 6,
    .pack_a = pack_a,
    .pack_b = pack_b,
    .tile = tile,
};
