// bf16 on AVX-512 without bf16 arithmetic: widened by a shift, multiplied and summed in f32.
#include "matmul/types.h"
#include "matmul/wide.h"
#if defined(__x86_64__)
#include "runtime/target.h"
#include <immintrin.h>
CK_TARGET_BEGIN(CK_TARGET_AVX512)
#include "matmul/bf16_hooks_avx512.inc.h"
#include "matmul/wide_avx512.inc.h"
CK_TARGET_END

const ck_matmul_kernel ck_matmul_bf16_avx512 =
    CK_WIDE_KERNEL(1, 45, 64, ck_matmul_f32_avx512, [CK_BF16] = pack_a, [CK_F32] = pack_a_f32);
#endif
