// s8 x s8 -> s32 anywhere.
#include "matmul/s8_portable.inc.h"
#include "quantize/scale.h"

CK_INLINE void put_wide(char *to, const char *from) {
  const ck_element a = *(const int8_t *)from;
  memcpy(to, &a, sizeof a);
}

static void pack_a(void *panel, void *extra, const ck_matmul_source *source, size_t first, size_t rows, size_t from,
                   size_t depth) {
  ck_pack_elements(panel, rows, sizeof(ck_element), source, first, rows, from, depth, put_wide);
}

static void quantize_a(void *panel, void *extra, const ck_matmul_source *source, size_t first, size_t rows, size_t from,
                       size_t depth) {
  for (size_t i = 0; i < rows; i++) {
    const float *row = (const float *)(source->data + (first + i) * source->stride) + from;
    const float inverse = ck_quantization_inverse(source->scales[i]);
    ck_element *to = (ck_element *)panel + i;
    for (size_t k = 0; k < depth; k++, to += rows) {
      const float scaled = row[k] * inverse;
      *to = inverse != 0 ? (ck_element)ck_quantization_round(scaled) : 0;
    }
  }
}

const ck_matmul_kernel ck_matmul_s8_portable = {
    .mr = CK_MR,
    .nr = CK_NR,
    .kgroup = 1,
    .a_bytes = sizeof(ck_element),
    .unit = 1,
    .unit_bytes = CK_UNIT_BYTES,
    .sums = CK_S32,
    .rate = 3,
    .pack_a = {[CK_S8] = pack_a, [CK_F32] = quantize_a},
    .pack_b = pack_b,
    .row_scale = ck_quantization_row_scale,
    .tile = ck_tile,
};
