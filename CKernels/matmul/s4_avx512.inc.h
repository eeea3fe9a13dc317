// The tile of products with 4-bit weights on AVX-512: 14 x 16. 14 vectors hold the sums of a group, 14 the sums of the
// groups before it; a vector of 64 bytes of B is expanded in registers to what 14 rows then use. The including file
// says
//   CK_VECTORS                      vectors that 64 bytes of B expand to: K-groups in 8 steps of K
//   ck_zeros                        vector that holds the zero points of a unit as it needs them, from their 32 bytes
//   ck_expand(b, w, zero, zeros)    64 bytes of B -> b[CK_VECTORS]
//   ck_dot(sum, a, b)               sum plus a K-group of A (4 bytes, broadcast) times one of B
//   ck_start(extra, zero, zeros)    what the sum of a group starts from; extra: of this row and group, when
//   CK_EXTRA                        bytes of a_extra, is not 0
//   ck_value(sum, odd, split)       the sum of a group as f32; split: its K-groups of odd number are in odd
//   CK_SPLIT(rows)                  2 where that is done, else 1: exact sums with too few chains
//   CK_AHEAD(rows), CK_NEAR(rows)   how many bytes ahead B is fetched when it comes from memory, and whether into L1
//   CK_TOGETHER(rows)               how many groups are summed side by side, for enough chains; rows times that <= MR
// Include inside CK_TARGET_BEGIN(...), after these.
#include "matmul/dwords_avx512.inc.h"
#include "matmul/s4_pack_avx512.inc.h"

// With so few rows the weights come from memory, as one sequential stream: with several (more panels, or fetches in the
// order of use where groups are summed side by side) memory reads slower.
enum { CK_S4_STREAM_ROWS = 8 };

CK_INLINE void ck_fetch(const char *p, const bool near) {
  if (near)
    __builtin_prefetch(p, 0, 3);
  else
    __builtin_prefetch(p, 0, 2);
}

// `together` groups of K. fetch: the bytes that will be needed soon.
CK_INLINE void ck_groups(__m512 *c, const char *a, const char *b, const char *extra, const char *fetch,
                         const size_t rows, const size_t together, const size_t group, const bool zeros) {
  // Unrolled 8 K-groups at a time.
  enum { CHUNK = 8 / CK_VECTORS, MOST = 4 };
  const size_t vectors = group / 8, unit_bytes = CK_S4_UNIT_BYTES(CK_NR, group, zeros);
  const size_t head = CK_S4_HEAD_BYTES(CK_NR, zeros);
  const size_t a_vector = CK_VECTORS * rows * 4, split = CK_SPLIT(rows);
  const bool fetches = rows <= CK_S4_STREAM_ROWS;
  __m512i sum[CK_MR], odd[MOST], zero[MOST], bv[MOST * CK_VECTORS];
#pragma clang loop unroll(full)
  for (size_t t = 0; t < together; t++) {
    zero[t] = zeros ? ck_zeros(b + t * unit_bytes + CK_NR * 2) : _mm512_setzero_si512();
#pragma clang loop unroll(full)
    for (size_t i = 0; i < rows; i++) sum[t * rows + i] = ck_start(extra + (t * rows + i) * CK_EXTRA, zero[t], zeros);
  }
#pragma clang loop unroll(full)
  for (size_t i = 0; i < MOST; i++) odd[i] = _mm512_setzero_si512();
#pragma clang loop unroll(disable)
  for (size_t v = 0; v < vectors; v += CHUNK)
#pragma clang loop unroll(full)
    for (size_t s = 0; s < CHUNK; s++, a += a_vector) {
#pragma clang loop unroll(full)
      for (size_t t = 0; t < together; t++) {
        ck_expand(bv + t * CK_VECTORS, _mm512_loadu_si512(b + t * unit_bytes + head + (v + s) * 64), zero[t], zeros);
        if (fetches) ck_fetch(fetch + ((v + s) * together + t) * 64, CK_NEAR(rows));
      }
#pragma clang loop unroll(full)
      for (size_t g = 0; g < CK_VECTORS; g++)
#pragma clang loop unroll(full)
        for (size_t t = 0; t < together; t++)
#pragma clang loop unroll(full)
          for (size_t i = 0; i < rows; i++) {
            int32_t value;
            memcpy(&value, a + t * vectors * a_vector + (g * rows + i) * 4, sizeof value);
            __m512i *to = (g % split ? odd : sum) + t * rows + i;
            *to = ck_dot(*to, _mm512_set1_epi32(value), bv[t * CK_VECTORS + g]);
          }
    }
#pragma clang loop unroll(full)
  for (size_t t = 0; t < together; t++) {
    const __m256i scales = _mm256_loadu_si256((const __m256i *)(b + t * unit_bytes));
    if (fetches && t * 64 < together * head) ck_fetch(fetch + (together * vectors + t) * 64, CK_NEAR(rows));
#pragma clang loop unroll(full)
    for (size_t i = 0; i < rows; i++) {
      const size_t at = t * rows + i;
      c[i] = _mm512_fmadd_ps(_mm512_cvtph_ps(scales), ck_value(sum[at], odd[split > 1 ? at : 0], split > 1), c[i]);
    }
  }
}

CK_INLINE void ck_tile_body(const ck_matmul_tile *tile, const size_t rows, const size_t group, const bool zeros) {
  const size_t unit_bytes = CK_S4_UNIT_BYTES(CK_NR, group, zeros), units = tile->units;
  const size_t a_unit = group / 8 * CK_VECTORS * rows * 4, together = CK_TOGETHER(rows);
  const char *a = tile->a, *b = tile->b, *extra = a + units * a_unit;
  const __mmask16 mask = ck_mask16(tile->columns);
  __m512 c[CK_MR];
#pragma clang loop unroll(full)
  for (size_t i = 0; i < rows; i++) c[i] = _mm512_setzero_ps();
  if (tile->from)
#pragma clang loop unroll(full)
    for (size_t i = 0; i < rows; i++)
      c[i] = _mm512_maskz_loadu_ps(mask, (const char *)tile->from + i * tile->from_stride * 4);
  // With few rows the weights come from memory and panels follow each other there. With more, this panel stays in L1,
  // and the next one's share is fetched into L2, as are the results' rows into L1.
  const size_t distance = (CK_AHEAD(rows) / unit_bytes + together) * unit_bytes;
  const char *share = tile->ahead, *ahead = share;
  if (rows > CK_S4_STREAM_ROWS)
#pragma clang loop unroll(full)
    for (size_t i = 0; i < rows; i++) __builtin_prefetch((const char *)tile->next + i * tile->next_stride);
  size_t u = 0;
#pragma clang loop unroll(disable)
  for (; u + together <= units; u += together, b += together * unit_bytes, a += together * a_unit) {
    if (rows > CK_S4_STREAM_ROWS)
      for (share += tile->ahead_step / CK_MATMUL_STEP; ahead < share; ahead += 64) __builtin_prefetch(ahead, 0, 2);
    ck_groups(c, a, b, extra, b + distance, rows, together, group, zeros);
    extra += together * rows * CK_EXTRA;
  }
  if (together > 1)
#pragma clang loop unroll(disable)
    for (; u < units; u++, b += unit_bytes, a += a_unit, extra += rows * CK_EXTRA)
      ck_groups(c, a, b, extra, b + distance, rows, 1, group, zeros);
#pragma clang loop unroll(full)
  for (size_t i = 0; i < rows; i++) _mm512_mask_storeu_ps((char *)tile->to + i * tile->to_stride * 4, mask, c[i]);
}
