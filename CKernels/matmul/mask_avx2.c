// Bit masks on AVX2: pdep deposits eight bytes, or four words, at the places of the bits set; floats are permuted.
#include "matmul/mask_chunks.inc.h"
#if defined(__x86_64__)
#include "matmul/mask_avx2.h"
#include "runtime/target.h"
#include <immintrin.h>
CK_TARGET_BEGIN(CK_TARGET_AVX2)

CK_INLINE uint64_t load64(const char *p) {
  uint64_t v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}

// 64 dense bytes; returns the end of their elements.
CK_INLINE const char *vector1(char *to, const char *mask, const char *values) {
  for (size_t b = 0; b < 8; b++) {
    const uint64_t lanes = _pdep_u64((uint8_t)mask[b], 0x0101010101010101u) * 0xff;
    const uint64_t kept = _pdep_u64(load64(values), lanes);
    __builtin_memcpy(to + 8 * b, &kept, sizeof kept);
    values += __builtin_popcount((uint8_t)mask[b]);
  }
  return values;
}

CK_INLINE const char *vector2(char *to, const char *mask, const char *values) {
  for (size_t h = 0; h < 8; h++) {
    const unsigned four = (uint8_t)mask[h / 2] >> h % 2 * 4 & 15;
    const uint64_t lanes = _pdep_u64(four, 0x0001000100010001u) * 0xffff;
    const uint64_t kept = _pdep_u64(load64(values), lanes);
    __builtin_memcpy(to + 8 * h, &kept, sizeof kept);
    values += 2 * (size_t)__builtin_popcount(four);
  }
  return values;
}

CK_INLINE const char *vector4(char *to, const char *mask, const char *values) {
  for (size_t h = 0; h < 2; h++) {
    const unsigned bits = (uint8_t)mask[h];
    const uint64_t lanes = _pdep_u64(bits, 0x0101010101010101u) * 0xff;
    const __m256i place = _mm256_cvtepu8_epi32(_mm_cvtsi64_si128((long long)_pdep_u64(0x0706050403020100u, lanes)));
    const __m256i kept = _mm256_cvtepi8_epi32(_mm_cvtsi64_si128((long long)lanes));
    const __m256i v = _mm256_permutevar8x32_epi32(_mm256_loadu_si256((const __m256i *)values), place);
    _mm256_storeu_si256((__m256i *)(to + 32 * h), _mm256_and_si256(v, kept));
    values += 4 * (size_t)__builtin_popcount(bits);
  }
  return values;
}

void ck_mask_expand1_avx2(char *to, const char *from, size_t bytes, size_t lines) {
  CK_MASK_CHUNKS(to, from, bytes, lines, 1, vector1);
}
void ck_mask_expand2_avx2(char *to, const char *from, size_t bytes, size_t lines) {
  CK_MASK_CHUNKS(to, from, bytes, lines, 2, vector2);
}
static void expand4(char *to, const char *from, size_t bytes, size_t lines) {
  CK_MASK_CHUNKS(to, from, bytes, lines, 4, vector4);
}
CK_TARGET_END

const ck_mask_kernel ck_mask_avx2 = {{ck_mask_expand1_avx2, ck_mask_expand2_avx2, expand4}};
#endif
