// Panels of 4-bit weights, 16 columns, for AVX-512 and AMX. The including file says
//   ck_order(w)     the nibbles of a dword, from memory's order to the kernel's
//   CK_COMPLEMENT   how zero points are kept, see ck_s4_pack_groups
// Include after matmul/dwords_avx512.inc.h.
#include "matmul/s4.h"

enum { CK_NR = 16 };

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
  char *to = panel + CK_S4_HEAD_BYTES(CK_NR, zeros);
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
      _mm512_storeu_si512(to + (k / 8 + g) / vectors * unit_bytes + (k / 8 + g) % vectors * 64, r[g]);
  }
  ck_s4_pack_groups(panel, source, first, columns, from, depth, CK_NR, group, zeros, CK_COMPLEMENT);
}
