// A in f32 times 8-bit weights in plain C, as f32s8_avx2.inc.h.
#define CK_UNIT_BYTES 8
typedef float ck_lanes __attribute__((vector_size(16)));
typedef float ck_element;
CK_INLINE ck_lanes ck_load_b(const char *p, size_t v) {
  int8_t w[4];
  __builtin_memcpy(w, p + 4 * v, sizeof w);
  return (ck_lanes){w[0], w[1], w[2], w[3]};
}
CK_INLINE ck_lanes ck_dot(ck_lanes sum, ck_element a, ck_lanes b) { return sum + a * b; }
#include "matmul/tile_portable.inc.h"

static void expand(void *to, const void *panel, size_t units) {
  const int8_t *from = panel;
  float *wide = to;
  for (size_t i = 0; i < units * CK_NR; i++) wide[i] = from[i];
}

CK_INLINE void put_byte(char *to, const char *from) { *to = *from; }

static void pack_b(void *panel, void *extra, const ck_matmul_source *source, size_t first, size_t columns, size_t from,
                   size_t depth) {
  ck_pack_elements(panel, CK_NR, 1, source, first, columns, from, depth, put_byte);
}

extern const ck_matmul_kernel ck_matmul_f32_portable;
