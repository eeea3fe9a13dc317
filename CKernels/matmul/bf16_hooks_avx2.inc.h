// bf16 in f32 arithmetic, for matmul/wide_a_avx2.inc.h.
#include "matmul/halves_avx2.inc.h"
CK_INLINE __m256 ck_widen8(__m128i h) { return (__m256)vwiden_bf16((vhalf)h); }
CK_INLINE __m256 ck_round8(__m256 x) {
  return (__m256)_mm256_and_si256((__m256i)vround_bf16((vfloat)x), _mm256_set1_epi32((int)0xffff0000));
}
