// 4-bit weights in groups along K that share a scale. A unit of a panel of B is one group of its nr columns, in the
// order in which it is read, since memory reads fastest without jumps:
//
//   nr f16 scales
//   u4: nr zero points of 16 bits, as the kernel wants them. (With bytes a unit of 16 columns would be 16 bytes off the
//   lines of the cache; this way it is whole lines, which is worth more than the bytes, 1 to 5 %.)
//   group / 8 rows of nr dwords; a dword holds 8 steps of K of one column, in the order that the kernel wants
//
// Missing columns are all zero. One file defines the kernels of s4 and u4, of both sizes of group: the bodies are
// inlined functions whose last two arguments, `group` and `zeros` (u4), are constants.
#ifndef CK_MATMUL_S4_H
#define CK_MATMUL_S4_H
#include "matmul/types.h"
#include <string.h>

#define CK_S4_HEAD_BYTES(nr, zeros) ((nr) * ((zeros) ? 4 : 2))
#define CK_S4_UNIT_BYTES(nr, group, zeros) ((nr) * (group) / 2 + CK_S4_HEAD_BYTES(nr, zeros))

// The functions of a kernel from ck_tile_body, ck_pack_a and ck_pack_b. CASES: CK_S4_ROWS_<MR>; tiles take one panel.
#define CK_S4_FUNCTIONS(name, group, zeros, CASES)                                                                     \
  CK_INLINE void name##_rows(const ck_matmul_tile *tile, const size_t rows) {                                          \
    ck_tile_body(tile, rows, group, zeros);                                                                            \
  }                                                                                                                    \
  static void name##_tile(const ck_matmul_tile *tile) {                                                                \
    switch (tile->rows) { CASES(name##_rows) }                                                                         \
  }                                                                                                                    \
  static void name##_pack_b(void *panel, void *extra, const ck_matmul_source *source, size_t first, size_t columns,    \
                            size_t from, size_t depth) {                                                               \
    ck_pack_b(panel, source, first, columns, from, depth, group, zeros);                                               \
  }
#define CK_S4_ROWS(BODY, rows)                                                                                         \
  case rows:                                                                                                           \
    BODY(tile, rows);                                                                                                  \
    break;
// clang-format off: it takes lists of cases for declarations
#define CK_S4_ROWS_4(BODY)                                                                                             \
  CK_S4_ROWS(BODY, 1) CK_S4_ROWS(BODY, 2) CK_S4_ROWS(BODY, 3) CK_S4_ROWS(BODY, 4)
#define CK_S4_ROWS_6(BODY)                                                                                             \
  CK_S4_ROWS_4(BODY)                                                                                                   \
  CK_S4_ROWS(BODY, 5) CK_S4_ROWS(BODY, 6)
#define CK_S4_ROWS_14(BODY)                                                                                            \
  CK_S4_ROWS_4(BODY)                                                                                                   \
  CK_S4_ROWS(BODY, 5) CK_S4_ROWS(BODY, 6) CK_S4_ROWS(BODY, 7) CK_S4_ROWS(BODY, 8) CK_S4_ROWS(BODY, 9)                  \
  CK_S4_ROWS(BODY, 10) CK_S4_ROWS(BODY, 11) CK_S4_ROWS(BODY, 12) CK_S4_ROWS(BODY, 13) CK_S4_ROWS(BODY, 14)
// clang-format on
// suffix: of the name, for A of this type.
#define CK_S4_PACK_A(name, suffix, type, group, zeros)                                                                 \
  static void name##_pack_a_##suffix(void *panel, void *extra, const ck_matmul_source *source, size_t first,           \
                                     size_t rows, size_t from, size_t depth) {                                         \
    ck_pack_a(panel, extra, source, first, rows, from, depth, type, group, zeros);                                     \
  }

// The kernel of these functions. The rest of its description: A's packing and arithmetic.
#define CK_S4_KERNEL(name, isa, size, zeros, ...)                                                                      \
  const ck_matmul_kernel ck_matmul_##name##_##isa = {                                                                  \
      .mr = CK_MR,                                                                                                     \
      .nr = CK_NR,                                                                                                     \
      .unit = size,                                                                                                    \
      .unit_bytes = CK_S4_UNIT_BYTES(CK_NR, size, zeros),                                                              \
      .one_panel = true,                                                                                               \
      .sums = CK_F32,                                                                                                  \
      .pack_b = name##_pack_b,                                                                                         \
      .tile = name##_tile,                                                                                             \
      __VA_ARGS__,                                                                                                     \
  };
#define CK_S4_FOUR(KERNEL, a)                                                                                          \
  KERNEL(a##s4g32, 32, false)                                                                                          \
  KERNEL(a##s4g128, 128, false)                                                                                        \
  KERNEL(a##u4g32, 32, true)                                                                                           \
  KERNEL(a##u4g128, 128, true)

// Scales and zero points of a panel's units. 16 bits of a zero point z: z, or 16 - z in both bytes (complement).
CK_INLINE void ck_s4_pack_groups(char *panel, const ck_matmul_source *source, size_t first, size_t columns, size_t from,
                                 size_t depth, const size_t nr, const size_t group, const bool zeros,
                                 const bool complement) {
  char *to = panel;
  for (size_t g = from / group; g < (from + depth) / group; g++, to += CK_S4_UNIT_BYTES(nr, group, zeros)) {
    uint16_t scales[16] = {0}, points[16] = {0};
    for (size_t j = 0; j < columns; j++) {
      const size_t at = (first + j) * source->groups + g;
      memcpy(scales + j, source->group_scales + at, sizeof *scales);
      if (zeros) points[j] = (uint16_t)(complement ? (16 - source->zero_points[at]) * 0x101 : source->zero_points[at]);
    }
    memcpy(to, scales, nr * sizeof *scales);
    if (zeros) memcpy(to + nr * sizeof *scales, points, nr * sizeof *points);
  }
}

// A panel of B without instructions of any set. place[s]: which of a dword's nibbles holds step s of its 8.
CK_INLINE void ck_s4_pack_b(char *panel, const ck_matmul_source *source, size_t first, size_t columns, size_t from,
                            size_t depth, const size_t nr, const size_t group, const bool zeros,
                            const uint8_t place[8]) {
  const size_t vectors = group / 8, unit_bytes = CK_S4_UNIT_BYTES(nr, group, zeros);
  for (size_t v = 0; v < depth / 8; v++)
    for (size_t j = 0; j < nr; j++) {
      uint32_t dword = 0;
      const char *at = source->data + (first + j) * source->stride + from / 2 + v * 4;
      for (size_t s = 0; s < 8 && j < columns; s++)
        dword |= ((uint32_t)(uint8_t)at[s / 2] >> s % 2 * 4 & 15) << place[s] * 4;
      memcpy(panel + v / vectors * unit_bytes + CK_S4_HEAD_BYTES(nr, zeros) + (v % vectors * nr + j) * 4, &dword,
             sizeof dword);
    }
  ck_s4_pack_groups(panel, source, first, columns, from, depth, nr, group, zeros, false);
}
#endif
