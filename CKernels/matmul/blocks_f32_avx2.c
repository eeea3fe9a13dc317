// f32 in blocks on AVX2.
#include "matmul/blocks.h"
#if defined(__x86_64__)
#include "runtime/target.h"
#include <immintrin.h>
#include <string.h>
CK_TARGET_BEGIN(CK_TARGET_AVX2)
#define CK_BLOCKS_MR 6
typedef __m256 ck_lanes;
CK_INLINE ck_lanes ck_dot(ck_lanes sum, float a, ck_lanes b) { return _mm256_fmadd_ps(_mm256_set1_ps(a), b, sum); }
#include "matmul/blocks_f32.inc.h"
CK_TARGET_END

const ck_matmul_kernel ck_blocks_f32_avx2 = CK_BLOCKS_F32(25);
#endif
