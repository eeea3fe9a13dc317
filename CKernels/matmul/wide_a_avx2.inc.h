// A of 16-bit floats, or of f32 that is rounded to them, packed as f32. Include after matmul/dwords_avx2.inc.h. Before,
// define
//   ck_widen8(h)    8 halves (__m128i) as f32
//   ck_round8(x)    what 8 f32 become on their way through the 16-bit format, widened again

// The first `count` of 8 elements, others zero.
CK_INLINE __m128i ck_halves8(const char *from, size_t count) {
  if (count >= 8) return _mm_loadu_si128((const __m128i *)from);
  char copy[16] = {0};
  memcpy(copy, from, count * 2);
  return _mm_loadu_si128((const __m128i *)copy);
}

CK_INLINE __m256i ck_units8_half(const char *from) {
  return _mm256_castps_si256(ck_widen8(_mm_loadu_si128((const __m128i *)from)));
}
CK_INLINE __m256i ck_units8_rounded(const char *from) {
  return _mm256_castps_si256(ck_round8(_mm256_loadu_ps((const float *)from)));
}

static void pack_a(void *panel, void *extra, const ck_matmul_source *source, size_t first, size_t rows, size_t from,
                   size_t depth) {
  const char *at = source->data + first * source->stride + from * source->k_stride;
  if (source->k_stride == 2) return ck_pack_a_rows(panel, at, source->stride, rows, depth * 2, 2, ck_units8_half);
  float *to = panel;
  for (size_t k = 0; k < depth; k++, at += source->k_stride, to += rows)
    _mm256_storeu_ps(to, ck_widen8(ck_halves8(at, rows)));
}

static void pack_a_f32(void *panel, void *extra, const ck_matmul_source *source, size_t first, size_t rows, size_t from,
                       size_t depth) {
  const char *at = source->data + first * source->stride + from * source->k_stride;
  if (source->k_stride == 4) return ck_pack_a_rows(panel, at, source->stride, rows, depth * 4, 4, ck_units8_rounded);
  const __m256i mask = ck_mask8(rows);
  float *to = panel;
  for (size_t k = 0; k < depth; k++, at += source->k_stride, to += rows)
    _mm256_storeu_ps(to, ck_round8(_mm256_maskload_ps((const float *)at, mask)));
}
