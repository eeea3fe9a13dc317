// Bit masks of floats on AVX-512: vpexpandd.
#include "matmul/mask_chunks.inc.h"
#if defined(__x86_64__)
#include "matmul/mask_avx2.h"
#include "runtime/target.h"
#include <immintrin.h>
CK_TARGET_BEGIN(CK_TARGET_AVX512)

CK_INLINE const char *vector4(char *to, const char *mask, const char *values) {
  uint16_t bits;
  __builtin_memcpy(&bits, mask, sizeof bits);
  _mm512_storeu_si512(to, _mm512_maskz_expand_epi32(bits, _mm512_loadu_si512(values)));
  return values + 4 * (size_t)__builtin_popcountll(bits);
}
void ck_mask_expand4_avx512(char *to, const char *from, size_t bytes, size_t lines) {
  CK_MASK_CHUNKS(to, from, bytes, lines, 4, vector4);
}
CK_TARGET_END

const ck_mask_kernel ck_mask_avx512 = {{ck_mask_expand1_avx2, ck_mask_expand2_avx2, ck_mask_expand4_avx512}};
#endif
