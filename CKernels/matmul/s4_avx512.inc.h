// The tile of products with 4-bit weights on AVX-512: 14 x 16. 14 vectors hold the sums of a group, 14 the sums of the
// groups before it; a vector of 64 bytes of B is expanded in registers to what 14 rows then use. The including file says
//   CK_VECTORS                      vectors that 64 bytes of B expand to: K-groups in 8 steps of K
//   ck_zeros                        vector that holds the zero points of a unit as it needs them, from their 16 bytes
//   ck_expand(b, w, zero, zeros)    64 bytes of B -> b[CK_VECTORS]
//   ck_dot(sum, a, b)               sum plus a K-group of A (4 bytes, broadcast) times one of B
//   ck_start(extra, zero, zeros)    what the sum of a group starts from; extra: of this row and group, when
//   CK_EXTRA                        bytes of a_extra, is not 0
//   ck_value(sum)                   the sum of a group as f32
//   ck_order(w)                     the nibbles of a dword, from memory's order to that of ck_expand
//   CK_TOGETHER(chains)             how many groups are summed side by side where a tile has so many chains
// Include inside CK_TARGET_BEGIN(...), after these.
#include "matmul/dwords_avx512.inc.h"
#include "matmul/s4.h"

enum { CK_NR = 16 };

// As far ahead as the weights are fetched when they come from memory.
#ifndef CK_S4_AHEAD
#define CK_S4_AHEAD 2048
#endif
#ifndef CK_S4_HINT
#define CK_S4_HINT 3
#endif

// `together` groups of K, in `panels` panels. fetch: the bytes of the first panel that will be needed soon.
CK_INLINE void ck_groups(__m512 *c, const char *a, const char *b, const char *extra, const char *fetch,
                         const size_t b_stride, const size_t rows, const size_t panels, const size_t together,
                         const size_t group, const bool zeros) {
  // Unrolled about 8 K-groups at a time.
  enum { CHUNK = 8 / CK_VECTORS };
  const size_t vectors = group / 8, unit_bytes = CK_S4_UNIT_BYTES(CK_NR, group, zeros);
  const size_t a_vector = CK_VECTORS * rows * 4;
  __m512i sum[2 * CK_MR], zero[4 * 2], bv[2 * CK_VECTORS];
#pragma clang loop unroll(full)
  for (size_t t = 0; t < together; t++)
#pragma clang loop unroll(full)
    for (size_t p = 0; p < panels; p++) {
      const char *points = b + p * b_stride + t * unit_bytes + vectors * 64 + 32;
      zero[t * 2 + p] = zeros ? ck_zeros(points) : _mm512_setzero_si512();
#pragma clang loop unroll(full)
      for (size_t i = 0; i < rows; i++)
        sum[(t * panels + p) * rows + i] = ck_start(extra + (t * rows + i) * CK_EXTRA, zero[t * 2 + p], zeros);
    }
  const size_t split = CK_SPLIT(rows * panels);
  __m512i odd[2 * 2];
#pragma clang loop unroll(full)
  for (size_t i = 0; i < 4; i++) odd[i] = _mm512_setzero_si512();
  const char *at = b;
#pragma clang loop unroll(disable)
  for (size_t v = 0; v < vectors; v += CHUNK, at += CHUNK * 64)
#pragma clang loop unroll(full)
    for (size_t s = 0; s < CHUNK; s++, a += a_vector)
#pragma clang loop unroll(full)
      for (size_t t = 0; t < together; t++) {
#pragma clang loop unroll(full)
        for (size_t p = 0; p < panels; p++) {
          const size_t offset = p * b_stride + t * unit_bytes + s * 64;
          ck_expand(bv + p * CK_VECTORS, _mm512_loadu_si512(at + offset), zero[t * 2 + p], zeros);
          if (rows <= CK_STREAM_ROWS)
            __builtin_prefetch(fetch + (at - b) * together + p * b_stride + (s * together + t) * 64, 0, CK_S4_HINT);
        }
#pragma clang loop unroll(full)
        for (size_t g = 0; g < CK_VECTORS; g++)
#pragma clang loop unroll(full)
          for (size_t i = 0; i < rows; i++) {
            int32_t value;
            memcpy(&value, a + t * vectors * a_vector + (g * rows + i) * 4, sizeof value);
            const __m512i av = _mm512_set1_epi32(value);
#pragma clang loop unroll(full)
            for (size_t p = 0; p < panels; p++) {
              __m512i *to = g % split ? odd + p * rows + i : sum + (t * panels + p) * rows + i;
              *to = ck_dot(*to, av, bv[p * CK_VECTORS + g]);
            }
          }
      }
#pragma clang loop unroll(full)
  for (size_t t = 0; t < together; t++)
#pragma clang loop unroll(full)
    for (size_t p = 0; p < panels; p++) {
      const size_t offset = p * b_stride + t * unit_bytes + vectors * 64;
      const __m512 scale = _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(b + offset)));
      if (rows <= CK_STREAM_ROWS && t % 2 == 0)
        __builtin_prefetch(fetch + p * b_stride + (together * vectors + t / 2) * 64, 0, CK_S4_HINT);
#pragma clang loop unroll(full)
      for (size_t i = 0; i < rows; i++)
        c[p * rows + i] = _mm512_fmadd_ps(
            scale, ck_value(sum[(t * panels + p) * rows + i], odd[split > 1 ? p * rows + i : 0], split), c[p * rows + i]);
    }
}

CK_INLINE void ck_tile_body(const ck_matmul_tile *tile, const size_t rows, const size_t panels, const size_t group,
                            const bool zeros) {
  const size_t unit_bytes = CK_S4_UNIT_BYTES(CK_NR, group, zeros), b_stride = tile->b_stride, units = tile->units;
  const size_t a_unit = group / 8 * CK_VECTORS * rows * 4;
  const char *a = tile->a, *b = tile->b, *extra = a + units * a_unit;
  __mmask16 mask[2];
  __m512 c[CK_MR];
#pragma clang loop unroll(full)
  for (size_t p = 0; p < panels; p++)
    mask[p] = p + 1 < panels ? 0xffff : ck_mask16(tile->columns > 16 * p ? tile->columns - 16 * p : 0);
#pragma clang loop unroll(full)
  for (size_t i = 0; i < rows * panels; i++) c[i] = _mm512_setzero_ps();
  if (tile->from) {
    const char *from = tile->from;
#pragma clang loop unroll(full)
    for (size_t i = 0; i < rows; i++, from += tile->from_stride * 4)
#pragma clang loop unroll(full)
      for (size_t p = 0; p < panels; p++) c[p * rows + i] = _mm512_maskz_loadu_ps(mask[p], from + 64 * p);
  }
  // With few rows the weights come from memory, and are fetched some units ahead: of these panels, then of the next
  // ones. With more, the panel stays in L1, and the next one's share is fetched into L2.
  const size_t distance = (CK_S4_AHEAD / unit_bytes + CK_TOGETHER(rows * panels)) * unit_bytes;
  const char *end = b + units * unit_bytes, *fetch = b + distance, *share = tile->ahead, *ahead = share;
  const size_t jump = panels * b_stride - units * unit_bytes;
  if (rows > CK_STREAM_ROWS)
#pragma clang loop unroll(full)
    for (size_t i = 0; i < rows; i++) __builtin_prefetch((const char *)tile->next + i * tile->next_stride);
  const size_t together = CK_TOGETHER(rows * panels);
  size_t u = 0;
#pragma clang loop unroll(disable)
  for (; u + together <= units; u += together, b += together * unit_bytes, a += together * a_unit) {
    if (rows > CK_STREAM_ROWS)
      for (share += tile->ahead_step / CK_MATMUL_STEP; ahead < share; ahead += 64) __builtin_prefetch(ahead, 0, 2);
    ck_groups(c, a, b, extra, fetch >= end ? fetch + jump : fetch, b_stride, rows, panels, together, group, zeros);
    fetch += together * unit_bytes, extra += together * rows * CK_EXTRA;
  }
  if (together > 1)
#pragma clang loop unroll(disable)
    for (; u < units; u++, b += unit_bytes, a += a_unit, extra += rows * CK_EXTRA, fetch += unit_bytes)
      ck_groups(c, a, b, extra, fetch >= end ? fetch + jump : fetch, b_stride, rows, panels, 1, group, zeros);
  char *to = tile->to;
#pragma clang loop unroll(full)
  for (size_t i = 0; i < rows; i++, to += tile->to_stride * 4)
#pragma clang loop unroll(full)
    for (size_t p = 0; p < panels; p++) _mm512_mask_storeu_ps(to + 64 * p, mask[p], c[p * rows + i]);
}

// Middle bytes of a dword, and middle nibbles of a word, exchanged.
CK_INLINE __m512i ck_exchange_bytes(__m512i w) {
  return _mm512_shuffle_epi8(
      w, _mm512_broadcast_i32x4(_mm_setr_epi8(0, 2, 1, 3, 4, 6, 5, 7, 8, 10, 9, 11, 12, 14, 13, 15)));
}
CK_INLINE __m512i ck_exchange_nibbles(__m512i w) {
  const __m512i low = _mm512_set1_epi16(0x00f0), outer = _mm512_set1_epi16((short)0xf00f);
  const __m512i up = _mm512_slli_epi16(_mm512_and_si512(w, low), 4);
  const __m512i down = _mm512_and_si512(_mm512_srli_epi16(w, 4), low);
  return _mm512_or_si512(_mm512_and_si512(w, outer), _mm512_or_si512(up, down));
}

// 128 steps of 16 columns at a time: 16 dwords of each, transposed.
CK_INLINE void ck_pack_b(char *panel, const ck_matmul_source *source, size_t first, size_t columns, size_t from,
                         size_t depth, const size_t group, const bool zeros) {
  const size_t vectors = group / 8, unit_bytes = CK_S4_UNIT_BYTES(CK_NR, group, zeros);
  const char *at = source->data + first * source->stride + from / 2;
  for (size_t k = 0; k < depth; k += 128, at += 64) {
    const size_t dwords = ck_min(depth - k, 128) / 8;
    const __mmask16 mask = ck_mask16(dwords);
    __m512i r[16];
#pragma clang loop unroll(full)
    for (size_t j = 0; j < 16; j++)
      r[j] = ck_order(_mm512_maskz_loadu_epi32(j < columns ? mask : 0, at + j * source->stride));
    ck_transpose16(r);
    for (size_t g = 0; g < dwords; g++)
      _mm512_storeu_si512(panel + (k / 8 + g) / vectors * unit_bytes + (k / 8 + g) % vectors * 64, r[g]);
  }
  ck_s4_pack_groups(panel, source, first, columns, from, depth, CK_NR, group, zeros, CK_ZERO_FROM);
}
