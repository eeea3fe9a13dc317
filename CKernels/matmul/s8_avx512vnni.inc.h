// Packing for products of s8 by vpdpbusd. Include after matmul/tile_avx512.inc.h.
#include "matmul/bytes_avx512.inc.h"
enum { GROUP = 4 };

static void pack_a(void *panel, void *extra, const ck_matmul_source *source, size_t first, size_t rows, size_t from,
                   size_t depth) {
  ck_pack_a_bytes(panel, source, first, rows, from, depth, 0x80);
}
static void quantize_a(void *panel, void *extra, const ck_matmul_source *source, size_t first, size_t rows, size_t from,
                       size_t depth) {
  ck_quantize_s8(panel, source, first, rows, from, depth, 0x80);
}
static float row_scale(const float *row, size_t k) { return ck_s8_row_scale(row, k); }

static void pack_b(void *panel, void *extra, const ck_matmul_source *source, size_t first, size_t columns, size_t from,
                   size_t depth) {
  const char *at = source->data + first * source->stride + from * source->k_stride;
  char *to = panel;
  __m512i low = _mm512_setzero_si512(), high = low;
  const __m512i one = _mm512_set1_epi8(1);
  enum { STRIP = 256 }; // summed while it is in L1
  for (size_t k = 0; k < depth; k += STRIP, at += STRIP * source->k_stride) {
    const size_t steps = ck_min(STRIP, depth - k);
    ck_pack_b_bytes(to, at, source->stride, source->k_stride, columns, steps);
    for (size_t g = 0; g < ck_ceil_div(steps, GROUP); g++, to += CK_NR * GROUP) {
      low = _mm512_dpbusd_epi32(low, one, _mm512_loadu_si512(to));
      high = _mm512_dpbusd_epi32(high, one, _mm512_loadu_si512(to + 64));
    }
  }
  _mm512_storeu_si512(extra, _mm512_sub_epi32(_mm512_setzero_si512(), _mm512_slli_epi32(low, 7)));
  _mm512_storeu_si512((char *)extra + 64, _mm512_sub_epi32(_mm512_setzero_si512(), _mm512_slli_epi32(high, 7)));
}
