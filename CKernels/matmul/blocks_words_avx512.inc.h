// f32 rounded to bf16 by ck_round16, 16 at a time. Include after matmul/blocks_pack_avx512.inc.h.
CK_INLINE void ck_strip_round(char *to, const char *at, size_t stride, size_t rows, size_t steps, const float *scales) {
  for (size_t i = 0; i < rows; i++, at += stride, to += CK_STRIP)
    for (size_t s = 0; s < steps; s += 16) {
      const __m512 x = _mm512_maskz_loadu_ps(ck_mask16(steps - s), at + s * sizeof(float));
      _mm256_store_si256((__m256i *)(to + s * 2), ck_round16(x));
    }
}
