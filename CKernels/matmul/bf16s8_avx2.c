// bf16 x s8 on AVX2: both become f32.
#include "matmul/types.h"
#include "matmul/wide.h"
#if defined(__x86_64__)
#include "runtime/target.h"
#include <immintrin.h>
CK_TARGET_BEGIN(CK_TARGET_AVX2)
#include "matmul/bf16_hooks_avx2.inc.h"
#include "matmul/f32s8_avx2.inc.h"
#include "matmul/wide_a_avx2.inc.h"
CK_TARGET_END

const ck_matmul_kernel ck_matmul_bf16s8_avx2 =
    CK_WIDE_KERNEL(1, 25, 64, ck_matmul_f32_avx2, [CK_BF16] = pack_a, [CK_F32] = pack_a_f32);
#endif
