// f16 on AVX2 and F16C: widened by vcvtph2ps, multiplied and summed in f32.
#include "matmul/types.h"
#include "matmul/wide.h"
#if defined(__x86_64__)
#include "runtime/target.h"
#include <immintrin.h>
CK_TARGET_BEGIN(CK_TARGET_AVX2)
CK_INLINE __m256 ck_widen8(__m128i h) { return _mm256_cvtph_ps(h); }
CK_INLINE __m256 ck_round8(__m256 x) { return _mm256_cvtph_ps(_mm256_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT)); }
#include "matmul/wide_avx2.inc.h"
CK_TARGET_END

const ck_matmul_kernel ck_matmul_f16_avx2 =
    CK_WIDE_KERNEL(1, 25, 64, ck_matmul_f32_avx2, [CK_F16] = pack_a, [CK_F32] = pack_a_f32);
#endif
