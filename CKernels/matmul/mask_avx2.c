// Bit masks on AVX2: pdep deposits eight bytes, or four words, at the places of the bits set; floats are permuted.
#include "matmul/mask_avx2.h"
#if defined(__x86_64__)
#include "runtime/target.h"
#include <immintrin.h>
CK_TARGET_BEGIN(CK_TARGET_AVX2)

CK_INLINE uint64_t load64(const char *p) {
  uint64_t v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}

const char *ck_mask_expand1_avx2(char *to, const char *from, size_t bytes) {
  const uint8_t *mask = (const uint8_t *)from;
  const char *values = from + ck_mask_bytes(bytes, 1);
  for (size_t at = 0; at < bytes; at += 8, mask++) {
    if (at % 64 == 0) ck_mask_fetch(values);
    const uint64_t lanes = _pdep_u64(*mask, 0x0101010101010101u) * 0xff;
    const uint64_t kept = _pdep_u64(load64(values), lanes);
    __builtin_memcpy(to + at, &kept, sizeof kept);
    values += __builtin_popcount(*mask);
  }
  return values;
}

const char *ck_mask_expand2_avx2(char *to, const char *from, size_t bytes) {
  const uint8_t *mask = (const uint8_t *)from;
  const char *values = from + ck_mask_bytes(bytes, 2);
  for (size_t at = 0; at < bytes; at += 16, mask++) {
    if (at % 64 == 0) ck_mask_fetch(values);
    const unsigned bits = *mask;
#pragma clang loop unroll(full)
    for (unsigned half = 0; half < 2; half++) {
      const unsigned four = bits >> 4 * half & 15;
      const uint64_t lanes = _pdep_u64(four, 0x0001000100010001u) * 0xffff;
      const uint64_t kept = _pdep_u64(load64(values), lanes);
      __builtin_memcpy(to + at + 8 * half, &kept, sizeof kept);
      values += 2 * (size_t)__builtin_popcount(four);
    }
  }
  return values;
}

static const char *expand4(char *to, const char *from, size_t bytes) {
  const uint8_t *mask = (const uint8_t *)from;
  const char *values = from + ck_mask_bytes(bytes, 4);
  for (size_t at = 0; at < bytes; at += 32, mask++) {
    ck_mask_fetch(values);
    const uint64_t lanes = _pdep_u64(*mask, 0x0101010101010101u) * 0xff;
    const __m256i place = _mm256_cvtepu8_epi32(_mm_cvtsi64_si128((long long)_pdep_u64(0x0706050403020100u, lanes)));
    const __m256i kept = _mm256_cvtepi8_epi32(_mm_cvtsi64_si128((long long)lanes));
    const __m256i v = _mm256_permutevar8x32_epi32(_mm256_loadu_si256((const __m256i *)values), place);
    _mm256_storeu_si256((__m256i *)(to + at), _mm256_and_si256(v, kept));
    values += 4 * (size_t)__builtin_popcount(*mask);
  }
  return values;
}
CK_TARGET_END

const ck_mask_kernel ck_mask_avx2 = {{ck_mask_expand1_avx2, ck_mask_expand2_avx2, expand4}};
#endif
