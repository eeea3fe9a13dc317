// Products of 8-bit integers in plain C. A is widened to s16 when packed, B's panels keep a byte an element.
#include "matmul/types.h"
typedef int32_t ck_lanes __attribute__((vector_size(16)));
typedef int16_t ck_element;
#define CK_UNIT_BYTES 8
CK_INLINE ck_lanes ck_load_b(const char *p, size_t v) {
  int8_t bytes __attribute__((vector_size(4)));
  __builtin_memcpy(&bytes, p + 4 * v, sizeof bytes);
  return __builtin_convertvector(bytes, ck_lanes);
}
CK_INLINE ck_lanes ck_dot(ck_lanes sum, ck_element a, ck_lanes b) { return sum + (int32_t)a * b; }
#include "matmul/tile_portable.inc.h"

CK_INLINE void put_byte(char *to, const char *from) { *to = *from; }

static void pack_b(void *panel, void *extra, const ck_matmul_source *source, size_t first, size_t columns, size_t from,
                   size_t depth) {
  ck_pack_elements(panel, CK_NR, 1, source, first, columns, from, depth, put_byte);
}
