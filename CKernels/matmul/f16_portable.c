// f16 anywhere: widened without hardware, multiplied and summed in f32.
#include "matmul/types.h"
#include "matmul/wide.h"
#include "matmul/halves_portable.inc.h"
#define ck_widen4 vwiden_f16
#define ck_widen widen_f16
#define ck_narrow narrow_f16
#include "matmul/wide_portable.inc.h"

const ck_matmul_kernel ck_matmul_f16_portable =
    CK_WIDE_KERNEL(1, 4, CK_MR, ck_matmul_f32_portable, [CK_F16] = pack_a, [CK_F32] = pack_a_f32);
