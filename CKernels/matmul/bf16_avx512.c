// bf16 on AVX-512 without bf16 arithmetic: widened by a shift, multiplied and summed in f32.
#include "matmul/types.h"
#if defined(__x86_64__)
#include "runtime/target.h"
#include <immintrin.h>
CK_TARGET_BEGIN(CK_TARGET_AVX512)
#include "matmul/halves_avx512.inc.h"
CK_INLINE __m512 ck_widen16(__m256i h) { return (__m512)vwiden_bf16((vhalf)h); }
CK_INLINE __m512 ck_round16(__m512 x) {
  return (__m512)_mm512_and_si512((__m512i)vround_bf16((vfloat)x), _mm512_set1_epi32((int)0xffff0000));
}
#include "matmul/wide_avx512.inc.h"
CK_TARGET_END

const ck_matmul_kernel ck_matmul_bf16_avx512 = CK_WIDE_KERNEL(CK_BF16);
#endif
