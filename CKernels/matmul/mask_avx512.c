// Bit masks of floats on AVX-512: vpexpandd.
#include "matmul/mask_avx2.h"
#if defined(__x86_64__)
#include "runtime/target.h"
#include <immintrin.h>
CK_TARGET_BEGIN(CK_TARGET_AVX512)

const char *ck_mask_expand4_avx512(char *to, const char *from, size_t bytes) {
  const char *mask = from, *values = from + ck_mask_bytes(bytes, 4);
#pragma clang loop unroll_count(4)
  for (size_t at = 0; at < bytes; at += 64, mask += 2) {
    uint16_t bits;
    __builtin_memcpy(&bits, mask, sizeof bits);
    ck_mask_fetch(values);
    _mm512_storeu_si512(to + at, _mm512_maskz_expand_epi32(bits, _mm512_loadu_si512(values)));
    values += 4 * (size_t)__builtin_popcount(bits);
  }
  return values;
}
CK_TARGET_END

const ck_mask_kernel ck_mask_avx512 = {{ck_mask_expand1_avx2, ck_mask_expand2_avx2, ck_mask_expand4_avx512}};
#endif
