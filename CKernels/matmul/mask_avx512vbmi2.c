// Bit masks of bytes and words on AVX-512 with VBMI2: vpexpandb, vpexpandw.
#include "matmul/mask_avx2.h"
#if defined(__x86_64__)
#include "runtime/target.h"
#include <immintrin.h>
CK_TARGET_BEGIN(CK_TARGET_AVX512VBMI2)

static const char *expand1(char *to, const char *from, size_t bytes) {
  const char *mask = from, *values = from + ck_mask_bytes(bytes, 1);
#pragma clang loop unroll_count(4)
  for (size_t at = 0; at < bytes; at += 64, mask += 8) {
    uint64_t bits;
    __builtin_memcpy(&bits, mask, sizeof bits);
    ck_mask_fetch(values);
    _mm512_storeu_si512(to + at, _mm512_maskz_expand_epi8(bits, _mm512_loadu_si512(values)));
    values += __builtin_popcountll(bits);
  }
  return values;
}

static const char *expand2(char *to, const char *from, size_t bytes) {
  const char *mask = from, *values = from + ck_mask_bytes(bytes, 2);
#pragma clang loop unroll_count(4)
  for (size_t at = 0; at < bytes; at += 64, mask += 4) {
    uint32_t bits;
    __builtin_memcpy(&bits, mask, sizeof bits);
    ck_mask_fetch(values);
    _mm512_storeu_si512(to + at, _mm512_maskz_expand_epi16(bits, _mm512_loadu_si512(values)));
    values += 2 * (size_t)__builtin_popcount(bits);
  }
  return values;
}
CK_TARGET_END

const ck_mask_kernel ck_mask_avx512vbmi2 = {{expand1, expand2, ck_mask_expand4_avx512}};
#endif
