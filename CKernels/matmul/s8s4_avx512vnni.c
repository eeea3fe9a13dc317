// s8 x 4 bits with vpdpbusd, which multiplies unsigned by signed: the nibbles q (0 ..< 16) are the unsigned side, so A
// stays as it is. The zero point z leaves the sum of a group as -z * (sum of A over the group), which the packing of A
// prepares: sum a (q - z) = sum a q - z sum a. All exact: |sum| <= 128 * 128 * 15.
#include "matmul/types.h"
#if defined(__x86_64__)
#include "runtime/target.h"
#include <immintrin.h>
#include <string.h>
CK_TARGET_BEGIN(CK_TARGET_AVX512VNNI)
enum { CK_VECTORS = 2, CK_EXTRA = 4, CK_COMPLEMENT = false };
// As measured on Zen 4: a short reach leaves a single row to the hardware's own fetching, more rows need a long one.
#define CK_AHEAD(rows) ((rows) == 1 ? 512 : (rows) == 2 ? 5120 : 8192)
#define CK_NEAR(rows) ((rows) == 2)
#define CK_TOGETHER(rows) 1
#define CK_SPLIT(rows) ((rows) <= 4 ? 2 : 1)

CK_INLINE __m512i ck_zeros(const char *points) {
  return _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)points));
}
CK_INLINE void ck_expand(__m512i *b, __m512i w, __m512i zero, const bool zeros) {
  const __m512i low = _mm512_set1_epi8(15);
  b[0] = _mm512_and_si512(w, low);
  b[1] = _mm512_and_si512(_mm512_srli_epi32(w, 4), low);
}
CK_INLINE __m512i ck_dot(__m512i sum, __m512i a, __m512i b) { return _mm512_dpbusd_epi32(sum, b, a); }
// u4: the low half of -sum of A times the zero point, whose high half is 0.
CK_INLINE __m512i ck_start(const char *extra, __m512i zero, const bool zeros) {
  int32_t value;
  memcpy(&value, extra, sizeof value);
  const __m512i start = _mm512_set1_epi32(value);
  return zeros ? _mm512_madd_epi16(start, zero) : start;
}
CK_INLINE __m512 ck_value(__m512i sum, __m512i odd, bool split) {
  return _mm512_cvtepi32_ps(split ? _mm512_add_epi32(sum, odd) : sum);
}
CK_INLINE __m512i ck_exchange_bytes(__m512i w);
CK_INLINE __m512i ck_exchange_nibbles(__m512i w);
// Byte b holds steps b and 4 + b.
CK_INLINE __m512i ck_order(__m512i w) { return ck_exchange_nibbles(ck_exchange_bytes(w)); }
#include "matmul/s4_avx512.inc.h"
#include "matmul/s8_rows_avx512.inc.h"

CK_INLINE void ck_pack_a(void *panel, int32_t *extra, const ck_matmul_source *source, size_t first, size_t rows,
                         size_t from, size_t depth, const ck_type type, const size_t group, const bool zeros) {
  if (type == CK_F32)
    ck_quantize_s8(panel, source, first, rows, from, depth, 0);
  else
    ck_pack_a_bytes(panel, source, first, rows, from, depth, 0);
  // -8 or -1 times the sums over groups.
  const __m512i factor = _mm512_set1_epi32(zeros ? -1 : -8), one = _mm512_set1_epi8(1);
  const __mmask16 mask = ck_mask16(rows);
  const char *at = panel;
  for (size_t k = 0; k < depth; k += group, extra += rows) {
    __m512i sum = _mm512_setzero_si512();
    for (size_t g = 0; g < group / 4; g++, at += rows * 4)
      sum = _mm512_dpbusd_epi32(sum, one, _mm512_maskz_loadu_epi32(mask, at));
    _mm512_mask_storeu_epi32(extra, mask, _mm512_mullo_epi32(sum, factor));
  }
}
static float row_scale(const float *row, size_t k) { return ck_s8_row_scale(row, k); }

#define KERNEL(name, size, zeros)                                                                                      \
  CK_S4_FUNCTIONS(name, size, zeros, CK_S4_ROWS_14)                                                                    \
  CK_S4_PACK_A(name, s8, CK_S8, size, zeros)                                                                           \
  CK_S4_PACK_A(name, f32, CK_F32, size, zeros)                                                                         \
  CK_S4_KERNEL(name, avx512vnni, size, zeros, .kgroup = 4, .a_bytes = 1, .a_extra = CK_EXTRA, .rate = 150,             \
               .pack_a = {[CK_S8] = name##_pack_a_s8, [CK_F32] = name##_pack_a_f32}, .row_scale = row_scale)
CK_S4_FOUR(KERNEL, s8)
CK_TARGET_END
#endif
