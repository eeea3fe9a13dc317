// Panels of A for blocks, one element after the other. Include after matmul/blocks.h.
#include <string.h>

// put writes a packed element of `bytes` from the one at `from`; scale: of its row, for s8 from f32.
typedef void ck_put(char *to, const char *from, float scale);

// Step s of a K-group of `steps` is element order[s] of it.
CK_INLINE void ck_pack_a_elements(char *panel, const ck_matmul_source *source, size_t first, size_t rows, size_t from,
                                  size_t depth, const size_t steps, const size_t bytes, const uint8_t *order,
                                  ck_put *put) {
  const size_t group = ck_blocks_pitch(rows) * steps * bytes;
  for (size_t i = 0; i < rows; i++) {
    const char *at = source->data + (first + i) * source->stride + from * source->k_stride;
    const float scale = source->scales ? source->scales[i] : 0;
    char *to = panel + i * steps * bytes;
    for (size_t k = 0; k < depth; k += steps, to += group) {
      if (depth - k < steps) memset(to, 0, steps * bytes);
#pragma clang loop unroll(full)
      for (size_t s = 0; s < steps; s++)
        if (k + s < depth) put(to + order[s] * bytes, at + (k + s) * source->k_stride, scale);
    }
  }
}
