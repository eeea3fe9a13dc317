// Panels of A for blocks on AVX-512 and AMX: K-groups of four bytes, pitched (ck_blocks_pitch), whatever A's type.
// Include after matmul/dwords_avx512.inc.h.
#include "matmul/blocks.h"

// Rows of A become 16 rows of bytes, contiguous along K: `steps` of K from `at` on, to `to`, which has CK_STRIP bytes
// for each.
enum { CK_STRIP = 256, CK_STRIP_STEPS = 64 };
typedef void ck_strip_convert(char *to, const char *at, size_t stride, size_t rows, size_t steps, const float *scales);

// [k, m] -> rows of steps, `element` bytes each.
CK_INLINE void ck_turn(char *to, const char *at, const ck_matmul_source *source, size_t rows, size_t steps,
                       const size_t element) {
  for (size_t s = 0; s < steps; s++)
    for (size_t i = 0; i < rows; i++)
      memcpy(to + i * CK_STRIP + s * element, at + i * source->stride + s * source->k_stride, element);
}

// source: elements of `element` bytes; packed: what they become, by `convert` if it is not NULL. pitch: K-groups.
CK_INLINE void ck_pack_a_blocks(void *panel, const ck_matmul_source *source, size_t first, size_t rows, size_t from,
                                size_t depth, size_t pitch, const size_t element, const size_t packed, __m512i flip,
                                ck_strip_convert *convert) {
  _Alignas(64) char turned[16 * CK_STRIP], strip[16 * CK_STRIP];
  const bool lies = source->k_stride == element;
  const size_t most = lies && !convert ? depth : CK_STRIP_STEPS;
  for (size_t i = 0; i < rows; i += 16) {
    const size_t count = ck_min(16, rows - i);
    int32_t *to = (int32_t *)panel + i;
    for (size_t k = 0; k < depth; k += most, to += most * packed / 4 * pitch) {
      const size_t steps = ck_min(most, depth - k);
      const char *at = source->data + (first + i) * source->stride + (from + k) * source->k_stride;
      size_t stride = source->stride;
      if (!lies) ck_turn(turned, at, source, count, steps, element), at = turned, stride = CK_STRIP;
      if (convert) {
        convert(strip, at, stride, count, steps, source->scales ? source->scales + i : NULL);
        at = strip, stride = CK_STRIP;
      }
      if (count == 16)
        ck_pack_rows16(to, pitch, at, stride, 16, steps * packed, flip);
      else
        ck_pack_rows16(to, pitch, at, stride, count, steps * packed, flip);
    }
  }
}

// f32 quantized with its rows' scales. Needs matmul/s8_rows_avx512.inc.h.
#if defined(CK_BLOCKS_BYTES)
CK_INLINE void ck_strip_quantize(char *to, const char *at, size_t stride, size_t rows, size_t steps,
                                 const float *scales) {
  for (size_t i = 0; i < rows; i++, at += stride, to += CK_STRIP) {
    const float scale = ck_quantization_inverse(scales[i]);
    const __m512 inverse = _mm512_set1_ps(scale);
    for (size_t s = 0; s < steps; s += 16)
      _mm_store_si128((__m128i *)(to + s),
                      ck_quantize16(at + s * sizeof(float), scale != 0 ? ck_mask16(steps - s) : 0, inverse));
  }
}
#endif
