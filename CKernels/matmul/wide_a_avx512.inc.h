// A of 16-bit floats, or of f32 that is rounded to them, packed as f32. Include after matmul/dwords_avx512.inc.h.
// Before, define
//   ck_widen16(h)    16 halves (__m256i) as f32
//   ck_round16(x)    what 16 f32 become on their way through the 16-bit format, widened again

// A with rows contiguous along K goes through a strip of f32.
CK_INLINE void ck_pack_a_wide(void *panel, const char *at, size_t stride, size_t rows, size_t depth,
                              const bool is_f32) {
  enum { STRIP = 64 };
  _Alignas(64) float strip[16 * STRIP];
  float *to = panel;
  const size_t element = is_f32 ? 4 : 2;
  for (size_t k = 0; k < depth; k += STRIP, at += STRIP * element) {
    const size_t steps = ck_min(STRIP, depth - k);
    for (size_t i = 0; i < rows; i++)
      for (size_t s = 0; s < steps; s += 16) {
        const char *from = at + i * stride + s * element;
        const __mmask16 mask = ck_mask16(steps - s);
        _mm512_store_ps(strip + i * STRIP + s, is_f32 ? ck_round16(_mm512_maskz_loadu_ps(mask, from))
                                                      : ck_widen16(_mm256_maskz_loadu_epi16(mask, from)));
      }
    ck_pack_a_rows(to, (const char *)strip, STRIP * sizeof(float), rows, steps * sizeof(float), _mm512_setzero_si512());
    to += rows * steps;
  }
}

static void pack_a(void *panel, void *extra, const ck_matmul_source *source, size_t first, size_t rows, size_t from,
                   size_t depth) {
  const char *at = source->data + first * source->stride + from * source->k_stride;
  if (source->k_stride == 2) return ck_pack_a_wide(panel, at, source->stride, rows, depth, false);
  const __mmask16 mask = ck_mask16(rows);
  float *to = panel;
  for (size_t k = 0; k < depth; k++, at += source->k_stride, to += rows)
    _mm512_storeu_ps(to, ck_widen16(_mm256_maskz_loadu_epi16(mask, at)));
}

static void pack_a_f32(void *panel, void *extra, const ck_matmul_source *source, size_t first, size_t rows, size_t from,
                       size_t depth) {
  const char *at = source->data + first * source->stride + from * source->k_stride;
  if (source->k_stride == 4) return ck_pack_a_wide(panel, at, source->stride, rows, depth, true);
  const __mmask16 mask = ck_mask16(rows);
  float *to = panel;
  for (size_t k = 0; k < depth; k++, at += source->k_stride, to += rows)
    _mm512_storeu_ps(to, ck_round16(_mm512_maskz_loadu_ps(mask, at)));
}
