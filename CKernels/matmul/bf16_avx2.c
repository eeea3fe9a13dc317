// bf16 on AVX2: widened by a shift, multiplied and summed in f32.
#include "matmul/types.h"
#if defined(__x86_64__)
#include "runtime/target.h"
#include <immintrin.h>
CK_TARGET_BEGIN(CK_TARGET_AVX2)
#include "matmul/halves_avx2.inc.h"
CK_INLINE __m256 ck_widen8(__m128i h) { return (__m256)vwiden_bf16((vhalf)h); }
CK_INLINE __m256 ck_round8(__m256 x) {
  return (__m256)_mm256_and_si256((__m256i)vround_bf16((vfloat)x), _mm256_set1_epi32((int)0xffff0000));
}
#include "matmul/wide_avx2.inc.h"
CK_TARGET_END

const ck_matmul_kernel ck_matmul_bf16_avx2 = CK_WIDE_KERNEL(CK_BF16);
#endif
