// s8 in blocks on AVX2.
#include "matmul/blocks.h"
#if defined(__x86_64__)
#include "runtime/target.h"
#include <immintrin.h>
#include <string.h>
CK_TARGET_BEGIN(CK_TARGET_AVX2)
#define CK_BLOCKS_MR 6
typedef __m256i ck_lanes;
typedef int16_t ck_packed_element;
enum { CK_STEPS = 2 };
// vpmaddwd adds two products: steps 0 and 2 of a K-group are a pair of s16, 1 and 3 the other.
static const uint8_t order[4] = {0, 2, 1, 3};
CK_INLINE ck_lanes ck_load_b(const char *p, size_t v, size_t s) {
  const __m256i bytes = _mm256_loadu_si256((const __m256i *)(p + 32 * v));
  return _mm256_srai_epi16(s == 0 ? _mm256_slli_epi16(bytes, 8) : bytes, 8);
}
CK_INLINE ck_lanes ck_dot(ck_lanes sum, int32_t a, ck_lanes b) {
  return _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_set1_epi32(a), b));
}
#include "matmul/blocks_s8.inc.h"
CK_TARGET_END

const ck_matmul_kernel ck_blocks_s8_avx2 = CK_BLOCKS_S8(40);
#endif
