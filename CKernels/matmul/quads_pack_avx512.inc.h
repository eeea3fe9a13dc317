// Packs 8-bit weights into the quads of matmul/quads_avx512.inc.h. Include after matmul/tile_avx512.inc.h.
#include "matmul/bytes_avx512.inc.h"

static void pack_b(void *panel, void *extra, const ck_matmul_source *source, size_t first, size_t columns, size_t from,
                   size_t depth) {
  const char *at = source->data + first * source->stride + from * source->k_stride;
  const __m512i flip = ck_quad_flip();
  char *to = panel;
  enum { STRIP = 256 }; // flipped while it is in L1
  for (size_t k = 0; k < depth; k += STRIP, at += STRIP * source->k_stride) {
    const size_t steps = ck_min(STRIP, depth - k);
    ck_pack_b_bytes(to, at, source->stride, source->k_stride, columns, steps);
    for (size_t v = 0; v < 2 * ck_ceil_div(steps, CK_QUAD); v++, to += 64)
      _mm512_storeu_si512(to, _mm512_xor_si512(_mm512_loadu_si512(to), flip));
  }
}
