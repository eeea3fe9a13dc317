// f16 on AVX-512: widened by vcvtph2ps, multiplied and summed in f32. There is no faster arithmetic that keeps f32
// sums.
#include "matmul/types.h"
#include "matmul/wide.h"
#if defined(__x86_64__)
#include "runtime/target.h"
#include <immintrin.h>
CK_TARGET_BEGIN(CK_TARGET_AVX512)
CK_INLINE __m512 ck_widen16(__m256i h) { return _mm512_cvtph_ps(h); }
CK_INLINE __m512 ck_round16(__m512 x) {
  return _mm512_cvtph_ps(_mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
#include "matmul/wide_avx512.inc.h"
CK_TARGET_END

const ck_matmul_kernel ck_matmul_f16_avx512 =
    CK_WIDE_KERNEL(1, 45, 64, ck_matmul_f32_avx512, [CK_F16] = pack_a, [CK_F32] = pack_a_f32);
#endif
