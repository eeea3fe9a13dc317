// 4-bit weights in groups along K that share a scale. A unit of a panel of B is one group of its nr columns:
//
//   group / 8 rows of nr dwords; a dword holds 8 steps of K of one column, in the order that the kernel wants
//   nr f16 scales
//   u4: nr bytes of zero points, as the kernel wants them
//
// Missing columns are all zero. One file defines the kernels of s4 and u4, of both sizes of group: the bodies are
// inlined functions whose last two arguments, `group` and `zeros` (u4), are constants.
#ifndef CK_MATMUL_S4_H
#define CK_MATMUL_S4_H
#include "matmul/tile_rows.inc.h"
#include <string.h>

#define CK_S4_UNIT_BYTES(nr, group, zeros) ((nr) * ((group) / 2 + 2 + ((zeros) ? 1 : 0)))

// The functions of a kernel from ck_tile_body, ck_pack_a and ck_pack_b; CASES: CK_TILE_CASES_<MR>.
#define CK_S4_FUNCTIONS(name, group, zeros, nr, CASES)                                                                 \
  CK_INLINE void name##_body(const ck_matmul_tile *tile, const size_t rows, const size_t panels) {                     \
    ck_tile_body(tile, rows, panels, group, zeros);                                                                    \
  }                                                                                                                    \
  static void name##_tile(const ck_matmul_tile *tile) {                                                                \
    switch (CK_TILE_KEY(tile, nr)) { CASES(name##_body) }                                                              \
  }                                                                                                                    \
  static void name##_pack_b(void *panel, void *extra, const ck_matmul_source *source, size_t first, size_t columns,    \
                            size_t from, size_t depth) {                                                               \
    ck_pack_b(panel, source, first, columns, from, depth, group, zeros);                                               \
  }
// suffix: of the name, for A of this type.
#define CK_S4_PACK_A(name, suffix, type, group, zeros)                                                                 \
  static void name##_pack_a_##suffix(void *panel, void *extra, const ck_matmul_source *source, size_t first,           \
                                     size_t rows, size_t from, size_t depth) {                                         \
    ck_pack_a(panel, extra, source, first, rows, from, depth, type, group, zeros);                                     \
  }

// Scales and zero points of a panel's units; zero_from - zero point is stored when zero_from is not 0, so that it is at
// least 1.
CK_INLINE void ck_s4_pack_groups(char *panel, const ck_matmul_source *source, size_t first, size_t columns, size_t from,
                                 size_t depth, const size_t nr, const size_t group, const bool zeros,
                                 const uint8_t zero_from) {
  char *to = panel + nr * group / 2;
  for (size_t g = from / group; g < (from + depth) / group; g++, to += CK_S4_UNIT_BYTES(nr, group, zeros)) {
    uint16_t scales[16] = {0};
    uint8_t points[16] = {0};
    for (size_t j = 0; j < columns; j++) {
      const size_t at = (first + j) * source->groups + g;
      memcpy(scales + j, source->group_scales + at, sizeof *scales);
      if (zeros) points[j] = zero_from ? (uint8_t)(zero_from - source->zero_points[at]) : source->zero_points[at];
    }
    memcpy(to, scales, nr * sizeof *scales);
    if (zeros) memcpy(to + nr * sizeof *scales, points, nr);
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
      memcpy(panel + v / vectors * unit_bytes + (v % vectors * nr + j) * 4, &dword, sizeof dword);
    }
  ck_s4_pack_groups(panel, source, first, columns, from, depth, nr, group, zeros, 0);
}
#endif
