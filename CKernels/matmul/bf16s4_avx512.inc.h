// 4-bit weights as pairs of bf16. q - z is exact in bf16 and comes from a table of 32: vpermw looks at the low 5 bits
// of each word, so a shift is all that the nibbles of s4 need; those of u4 become q + 16 - z. Needs CK_VECTORS,
// CK_EXTRA and CK_COMPLEMENT of matmul/s4_avx512.inc.h. bf16 of i - 16, or of i % 16 - 8.
CK_INLINE __m512i ck_table(const bool zeros) {
  static const _Alignas(64) uint16_t s4[32] = {
      0xc100, 0xc0e0, 0xc0c0, 0xc0a0, 0xc080, 0xc040, 0xc000, 0xbf80, 0x0000, 0x3f80, 0x4000,
      0x4040, 0x4080, 0x40a0, 0x40c0, 0x40e0, 0xc100, 0xc0e0, 0xc0c0, 0xc0a0, 0xc080, 0xc040,
      0xc000, 0xbf80, 0x0000, 0x3f80, 0x4000, 0x4040, 0x4080, 0x40a0, 0x40c0, 0x40e0,
  };
  static const _Alignas(64) uint16_t u4[32] = {
      0xc180, 0xc170, 0xc160, 0xc150, 0xc140, 0xc130, 0xc120, 0xc110, 0xc100, 0xc0e0, 0xc0c0,
      0xc0a0, 0xc080, 0xc040, 0xc000, 0xbf80, 0x0000, 0x3f80, 0x4000, 0x4040, 0x4080, 0x40a0,
      0x40c0, 0x40e0, 0x4100, 0x4110, 0x4120, 0x4130, 0x4140, 0x4150, 0x4160, 0x4170,
  };
  return _mm512_load_si512(zeros ? u4 : s4);
}
// 16 - z in all four bytes of a dword.
CK_INLINE __m512i ck_zeros(const char *points) {
  const __m512i low = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)points));
  return _mm512_or_si512(low, _mm512_slli_epi32(low, 16));
}
CK_INLINE void ck_expand(__m512i *b, __m512i w, __m512i zero, const bool zeros) {
  const __m512i table = ck_table(zeros);
  if (zeros) {
    const __m512i mask = _mm512_set1_epi8(15);
    const __m512i low = _mm512_add_epi8(_mm512_and_si512(w, mask), zero);
    const __m512i high = _mm512_add_epi8(_mm512_and_si512(_mm512_srli_epi16(w, 4), mask), zero);
    b[0] = _mm512_permutexvar_epi16(low, table);
    b[1] = _mm512_permutexvar_epi16(high, table);
    b[2] = _mm512_permutexvar_epi16(_mm512_srli_epi16(low, 8), table);
    b[3] = _mm512_permutexvar_epi16(_mm512_srli_epi16(high, 8), table);
  } else {
    b[0] = _mm512_permutexvar_epi16(w, table);
    b[1] = _mm512_permutexvar_epi16(_mm512_srli_epi16(w, 4), table);
    b[2] = _mm512_permutexvar_epi16(_mm512_srli_epi16(w, 8), table);
    b[3] = _mm512_permutexvar_epi16(_mm512_srli_epi16(w, 12), table);
  }
}
CK_INLINE __m512i ck_exchange_bytes(__m512i w);
CK_INLINE __m512i ck_exchange_nibbles(__m512i w);
// Nibbles 0 to 3 of the low word hold steps 0, 2, 4, 6, those of the high word 1, 3, 5, 7.
CK_INLINE __m512i ck_order(__m512i w) { return ck_exchange_bytes(ck_exchange_nibbles(w)); }
