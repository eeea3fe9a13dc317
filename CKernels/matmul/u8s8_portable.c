// u8 x s8 -> s32 anywhere.
#include "matmul/s8_portable.inc.h"

CK_INLINE void put_wide(char *to, const char *from) {
  const ck_element a = *(const uint8_t *)from;
  memcpy(to, &a, sizeof a);
}

static void pack_a(void *panel, void *extra, const ck_matmul_source *source, size_t first, size_t rows, size_t from,
                   size_t depth) {
  ck_pack_elements(panel, rows, sizeof(ck_element), source, first, rows, from, depth, put_wide);
}

const ck_matmul_kernel ck_matmul_u8s8_portable = {
    .mr = CK_MR,
    .nr = CK_NR,
    .kgroup = 1,
    .a_bytes = sizeof(ck_element),
    .unit = 1,
    .unit_bytes = CK_UNIT_BYTES,
    .sums = CK_S32,
    .rate = 3,
    .pack_a = {[CK_U8] = pack_a},
    .pack_b = pack_b,
    .tile = ck_tile,
};
