// s8 x 4 bits anywhere: 4 x 8. A group's sums in 32 bits, which start from -z times A's sum over the group.
#include "matmul/s4_rows.inc.h"
#include "matmul/halves_portable.inc.h"

enum { CK_MR = 4, CK_NR = 8 };
static const uint8_t place[8] = {0, 1, 2, 3, 4, 5, 6, 7};

CK_INLINE void ck_tile_body(const ck_matmul_tile *tile, const size_t rows, const size_t group, const bool zeros) {
  const size_t units = tile->units;
  const int8_t *a = tile->a;
  const char *b = tile->b, *extra = (const char *)tile->a + units * group * rows;
  float c[CK_MR * CK_NR] = {0};
  if (tile->from)
    for (size_t i = 0; i < rows; i++)
      memcpy(c + i * CK_NR, (const float *)tile->from + i * tile->from_stride, tile->columns * sizeof *c);
  for (size_t u = 0; u < units; u++, a += group * rows, extra += rows * 4, b += CK_S4_UNIT_BYTES(CK_NR, group, zeros)) {
    int32_t sum[CK_MR * CK_NR];
    uint16_t scales[CK_NR], points[CK_NR];
    memcpy(scales, b, sizeof scales);
    if (zeros) memcpy(points, b + sizeof scales, sizeof points);
    for (size_t i = 0; i < rows; i++) {
      int32_t start;
      memcpy(&start, extra + i * 4, sizeof start);
      for (size_t j = 0; j < CK_NR; j++) sum[i * CK_NR + j] = zeros ? start * points[j] : start;
    }
    for (size_t v = 0; v < group / 8; v++) {
      uint32_t w[CK_NR];
      memcpy(w, b + CK_S4_HEAD_BYTES(CK_NR, zeros) + v * sizeof w, sizeof w);
      for (size_t s = 0; s < 8; s++)
        for (size_t i = 0; i < rows; i++) {
          const int32_t value = a[((v * 8 + s) / 4 * rows + i) * 4 + s % 4];
          for (size_t j = 0; j < CK_NR; j++) sum[i * CK_NR + j] += value * (int32_t)(w[j] >> 4 * s & 15);
        }
    }
    for (size_t j = 0; j < CK_NR; j++) {
      const float scale = widen_f16(scales[j]);
      for (size_t i = 0; i < rows; i++) c[i * CK_NR + j] = scale * (float)sum[i * CK_NR + j] + c[i * CK_NR + j];
    }
  }
  for (size_t i = 0; i < rows; i++)
    memcpy((float *)tile->to + i * tile->to_stride, c + i * CK_NR, tile->columns * sizeof *c);
}

CK_INLINE void ck_pack_b(void *panel, const ck_matmul_source *source, size_t first, size_t columns, size_t from,
                         size_t depth, const size_t group, const bool zeros) {
  ck_s4_pack_b(panel, source, first, columns, from, depth, CK_NR, group, zeros, place);
}
CK_INLINE void ck_pack_a(void *panel, void *extra, const ck_matmul_source *source, size_t first, size_t rows,
                         size_t from, size_t depth, const ck_type type, const size_t group, const bool zeros) {
  ck_s4_pack_a_s8(panel, extra, source, first, rows, from, depth, type, group, zeros);
}

#define KERNEL(name, size, zeros)                                                                                      \
  CK_S4_FUNCTIONS(name, size, zeros, CK_S4_ROWS_4)                                                                     \
  CK_S4_PACK_A(name, s8, CK_S8, size, zeros)                                                                           \
  CK_S4_PACK_A(name, f32, CK_F32, size, zeros)                                                                         \
  CK_S4_KERNEL(name, portable, size, zeros, .kgroup = 4, .a_bytes = 1, .a_extra = 4, .rate = 3,                        \
               .pack_a = {[CK_S8] = name##_pack_a_s8, [CK_F32] = name##_pack_a_f32},                                   \
               .row_scale = ck_quantization_row_scale)
CK_S4_FOUR(KERNEL, s8)
