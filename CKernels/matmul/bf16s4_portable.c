// bf16 x 4 bits anywhere: 4 x 8, in f32. A multiply and an add, fused only where the compiler's baseline fuses.
#include "matmul/elements_portable.inc.h"
#include "matmul/halves_portable.inc.h"
#include "matmul/s4.h"
#define ck_widen widen_bf16
#define ck_narrow narrow_bf16
#include "matmul/wide_a_portable.inc.h"

static const uint8_t place[8] = {0, 1, 2, 3, 4, 5, 6, 7};

CK_INLINE void ck_tile_body(const ck_matmul_tile *tile, const size_t rows, const size_t group, const bool zeros) {
  const float *a = tile->a;
  const char *b = tile->b;
  float c[CK_MR * CK_NR] = {0};
  if (tile->from)
    for (size_t i = 0; i < rows; i++)
      memcpy(c + i * CK_NR, (const float *)tile->from + i * tile->from_stride, tile->columns * sizeof *c);
  for (size_t u = 0; u < tile->units; u++, a += group * rows, b += CK_S4_UNIT_BYTES(CK_NR, group, zeros)) {
    float sum[CK_MR * CK_NR] = {0};
    uint16_t scales[CK_NR], points[CK_NR];
    memcpy(scales, b, sizeof scales);
    if (zeros) memcpy(points, b + sizeof scales, sizeof points);
    for (size_t v = 0; v < group / 8; v++) {
      uint32_t w[CK_NR];
      memcpy(w, b + CK_S4_HEAD_BYTES(CK_NR, zeros) + v * sizeof w, sizeof w);
      for (size_t s = 0; s < 8; s++) {
        float q[CK_NR];
        for (size_t j = 0; j < CK_NR; j++)
          q[j] = (float)((int32_t)(w[j] >> 4 * s & 15) - (zeros ? (int32_t)points[j] : 8));
        for (size_t i = 0; i < rows; i++)
          for (size_t j = 0; j < CK_NR; j++) sum[i * CK_NR + j] += a[(v * 8 + s) * rows + i] * q[j];
      }
    }
    for (size_t j = 0; j < CK_NR; j++) {
      const float scale = widen_f16(scales[j]);
      for (size_t i = 0; i < rows; i++) c[i * CK_NR + j] = scale * sum[i * CK_NR + j] + c[i * CK_NR + j];
    }
  }
  for (size_t i = 0; i < rows; i++)
    memcpy((float *)tile->to + i * tile->to_stride, c + i * CK_NR, tile->columns * sizeof *c);
}

CK_INLINE void ck_pack_b(void *panel, const ck_matmul_source *source, size_t first, size_t columns, size_t from,
                         size_t depth, const size_t group, const bool zeros) {
  ck_s4_pack_b(panel, source, first, columns, from, depth, CK_NR, group, zeros, place);
}
#define KERNEL(name, size, zeros)                                                                                      \
  CK_S4_FUNCTIONS(name, size, zeros, CK_S4_ROWS_4)                                                                     \
  CK_S4_KERNEL(name, portable, size, zeros, .kgroup = 1, .a_bytes = 4, .rate = 3,                                      \
               .pack_a = {[CK_BF16] = pack_a, [CK_F32] = pack_a_f32})
CK_S4_FOUR(KERNEL, bf16)
