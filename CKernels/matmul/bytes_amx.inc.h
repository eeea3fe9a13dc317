// Packing of A of bytes, and of f32 that is quantized, as tiles of AMX. Include after matmul/amx.inc.h and
// matmul/s8_rows_avx512.inc.h.

static inline void ck_pack_a_amx(void *panel, void *extra, const ck_matmul_source *source, size_t first, size_t rows,
                                 size_t from, size_t depth) {
  const char *at = source->data + first * source->stride + from * source->k_stride;
  if (source->k_stride == 1) return ck_pack_a_tiles(panel, at, source->stride, rows, depth);
  // A in [k, m]: 16 rows by 16 K-groups of four steps at a time, turned over.
  const size_t step = source->k_stride;
  char *to = panel;
  for (size_t k = 0; k < depth; k += 64, to += rows * 64)
    for (size_t i = 0; i < rows; i += 16) {
      const __mmask16 mask = ck_mask16(rows - i);
      __m512i r[16];
      for (size_t g = 0; g < 16; g++) {
        __m128i s[4];
        for (size_t l = 0; l < 4; l++) {
          const size_t at_step = k + 4 * g + l;
          s[l] = at_step < depth ? _mm_maskz_loadu_epi8(mask, at + at_step * step + i) : _mm_setzero_si128();
        }
        const __m128i a = _mm_unpacklo_epi8(s[0], s[1]), b = _mm_unpackhi_epi8(s[0], s[1]);
        const __m128i c = _mm_unpacklo_epi8(s[2], s[3]), d = _mm_unpackhi_epi8(s[2], s[3]);
        const __m256i low = _mm256_setr_m128i(_mm_unpacklo_epi16(a, c), _mm_unpackhi_epi16(a, c));
        const __m256i high = _mm256_setr_m128i(_mm_unpacklo_epi16(b, d), _mm_unpackhi_epi16(b, d));
        r[g] = _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
      }
      ck_transpose16(r);
#pragma clang loop unroll(full)
      for (size_t j = 0; j < 16; j++)
        if (i + j < rows) _mm512_store_si512(to + (i + j) * 64, r[j]);
    }
}

static inline void ck_quantize_a_amx(void *panel, void *extra, const ck_matmul_source *source, size_t first,
                                     size_t rows, size_t from, size_t depth) {
  const char *at = source->data + first * source->stride + from * sizeof(float);
  for (size_t i = 0; i < rows; i++, at += source->stride) {
    const float scale = ck_quantization_inverse(source->scales[i]);
    const __m512 inverse = _mm512_set1_ps(scale);
    char *to = (char *)panel + i * 64;
    for (size_t k = 0; k < depth; k += 64, to += rows * 64)
      for (size_t s = 0; s < 64; s += 16) {
        const __mmask16 mask = scale != 0 && k + s < depth ? ck_mask16(depth - k - s) : 0;
        _mm_store_si128((__m128i *)(to + s), ck_quantize16(at + (mask ? k + s : 0) * sizeof(float), mask, inverse));
      }
  }
}
