// Packing of bytes as K-groups of four, which vpdpbusd multiplies. Include after matmul/tile_avx512.inc.h.

// Four steps of K, 16 columns in each 128-bit lane -> r[q]: columns 4q ..< 4q + 4 of each lane, their four steps side
// by side.
CK_INLINE void ck_interleave4(__m256i r[4]) {
  const __m256i low01 = _mm256_unpacklo_epi8(r[0], r[1]), high01 = _mm256_unpackhi_epi8(r[0], r[1]);
  const __m256i low23 = _mm256_unpacklo_epi8(r[2], r[3]), high23 = _mm256_unpackhi_epi8(r[2], r[3]);
  r[0] = _mm256_unpacklo_epi16(low01, low23), r[1] = _mm256_unpackhi_epi16(low01, low23);
  r[2] = _mm256_unpacklo_epi16(high01, high23), r[3] = _mm256_unpackhi_epi16(high01, high23);
}

// A: flip is what every byte is xored with. [m, k] or [k, m].
CK_INLINE void ck_pack_a_bytes(void *panel, const ck_matmul_source *source, size_t first, size_t rows, size_t from,
                               size_t depth, __m512i flip) {
  const char *at = source->data + first * source->stride + from * source->k_stride;
  if (source->k_stride == 1) return ck_pack_a_rows(panel, at, source->stride, rows, depth, flip);
  // Two K-groups at a time, one in each 128-bit lane.
  const __mmask16 mask = ck_mask16(rows);
  const size_t step = source->k_stride;
  char *to = panel;
  for (size_t k = 0; k < depth; k += 8, at += 8 * step, to += 2 * rows * 4) {
    __m256i r[4];
    for (size_t s = 0; s < 4; s++) {
      const __m128i low = _mm_maskz_loadu_epi8(k + s < depth ? mask : 0, at + s * step);
      const __m128i high = _mm_maskz_loadu_epi8(k + s + 4 < depth ? mask : 0, at + (s + 4) * step);
      r[s] = _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1);
    }
    ck_interleave4(r);
    const __m512i a = _mm512_inserti64x4(_mm512_castsi256_si512(r[0]), r[1], 1); // groups 0, 1, 0, 1 of rows 0, 0, 4, 4
    const __m512i b = _mm512_inserti64x4(_mm512_castsi256_si512(r[2]), r[3], 1);
    _mm512_storeu_si512(to, _mm512_xor_si512(_mm512_shuffle_i32x4(a, b, 0x88), flip));
    if (k + 4 < depth) _mm512_storeu_si512(to + rows * 4, _mm512_xor_si512(_mm512_shuffle_i32x4(a, b, 0xdd), flip));
  }
}

// `columns` of B from `at` on, [n, k] or [k, n]; the panel is written whole.
CK_INLINE void ck_pack_b_bytes(char *to, const char *at, size_t stride, size_t step, size_t columns, size_t depth) {
  if (step == 1) return ck_pack_b_rows(to, at, stride, columns, depth);
  const __mmask32 mask = columns < CK_NR ? (1u << columns) - 1 : ~0u;
  for (size_t k = 0; k < depth; k += 4, at += 4 * step, to += CK_NR * 4) {
    __m256i r[4];
    for (size_t s = 0; s < 4; s++) r[s] = _mm256_maskz_loadu_epi8(k + s < depth ? mask : 0, at + s * step);
    ck_interleave4(r);
    _mm256_storeu_si256((__m256i *)to, _mm256_permute2x128_si256(r[0], r[1], 0x20));
    _mm256_storeu_si256((__m256i *)(to + 32), _mm256_permute2x128_si256(r[2], r[3], 0x20));
    _mm256_storeu_si256((__m256i *)(to + 64), _mm256_permute2x128_si256(r[0], r[1], 0x31));
    _mm256_storeu_si256((__m256i *)(to + 96), _mm256_permute2x128_si256(r[2], r[3], 0x31));
  }
}
