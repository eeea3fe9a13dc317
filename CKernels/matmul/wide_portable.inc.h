// Products of 16-bit floats in plain C: panels of B keep their 2 bytes an element and are widened step by step. Before
// including define
//   ck_widen4(h)    4 halves (vhalf) as f32
// and what wide_a_portable.inc.h asks for.
#define CK_UNIT_BYTES 16
typedef float ck_lanes __attribute__((vector_size(16)));
typedef float ck_element;
CK_INLINE ck_lanes ck_load_b(const char *p, size_t v) {
  vhalf h;
  __builtin_memcpy(&h, p + 8 * v, sizeof h);
  return (ck_lanes)ck_widen4(h);
}
CK_INLINE ck_lanes ck_dot(ck_lanes sum, ck_element a, ck_lanes b) { return sum + a * b; }
#include "matmul/tile_portable.inc.h"
#include "matmul/wide_a_portable.inc.h"

static void expand(void *to, const void *panel, size_t units) {
  const char *from = panel;
  char *wide = to;
  for (size_t u = 0; u < units; u++, from += CK_UNIT_BYTES, wide += 2 * CK_UNIT_BYTES) {
    const ck_lanes lanes[2] = {ck_load_b(from, 0), ck_load_b(from, 1)};
    memcpy(wide, lanes, sizeof lanes);
  }
}

CK_INLINE void put(char *to, const char *from) { memcpy(to, from, 2); }

static void pack_b(void *panel, void *extra, const ck_matmul_source *source, size_t first, size_t columns, size_t from,
                   size_t depth) {
  ck_pack_elements(panel, CK_NR, 2, source, first, columns, from, depth, put);
}

extern const ck_matmul_kernel ck_matmul_f32_portable;
