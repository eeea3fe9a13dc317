// Bit masks of bytes and words on AVX-512 with VBMI2: vpexpandb, vpexpandw.
#include "matmul/mask_chunks.inc.h"
#if defined(__x86_64__)
#include "matmul/mask_avx2.h"
#include "runtime/target.h"
#include <immintrin.h>
CK_TARGET_BEGIN(CK_TARGET_AVX512VBMI2)

CK_INLINE const char *vector1(char *to, const char *mask, const char *values) {
  uint64_t bits;
  __builtin_memcpy(&bits, mask, sizeof bits);
  _mm512_storeu_si512(to, _mm512_maskz_expand_epi8(bits, _mm512_loadu_si512(values)));
  return values + 1 * (size_t)__builtin_popcountll(bits);
}
static void expand1(char *to, const char *from, size_t bytes, size_t lines) {
  CK_MASK_CHUNKS(to, from, bytes, lines, 1, vector1);
}

CK_INLINE const char *vector2(char *to, const char *mask, const char *values) {
  uint32_t bits;
  __builtin_memcpy(&bits, mask, sizeof bits);
  _mm512_storeu_si512(to, _mm512_maskz_expand_epi16(bits, _mm512_loadu_si512(values)));
  return values + 2 * (size_t)__builtin_popcountll(bits);
}
static void expand2(char *to, const char *from, size_t bytes, size_t lines) {
  CK_MASK_CHUNKS(to, from, bytes, lines, 2, vector2);
}
CK_TARGET_END

const ck_mask_kernel ck_mask_avx512vbmi2 = {{expand1, expand2, ck_mask_expand4_avx512}};
#endif
