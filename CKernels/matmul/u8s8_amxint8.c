// u8 x s8 -> s32 with tdpbusd: 64 steps of K at a time, exact.
#include "matmul/mask.h"
#if defined(__x86_64__)
#include "runtime/target.h"
#include <immintrin.h>
CK_TARGET_BEGIN(CK_TARGET_AMXINT8)
#include "matmul/dwords_avx512.inc.h"

#include "matmul/columns_avx512.inc.h"
#define CK_DOT_TILES _tile_dpbusd
#include "matmul/tile_amx.inc.h"
#include "matmul/bytes_avx512.inc.h"

#include "matmul/bytes_amx.inc.h"

#include "matmul/bytes_b_amx.inc.h"
CK_TARGET_END

CK_TARGET_BEGIN(CK_TARGET_AMXINT8 ",avx512vbmi,avx512vbmi2")
#include "matmul/masked_bytes_amx.inc.h"
CK_TARGET_END

const ck_matmul_kernel ck_matmul_u8s8_amxint8 =
    CK_AMX_KERNEL(64, 1, .unit_bytes = CK_UNIT_BYTES, .sums = CK_S32, .rate = 1200, .pack_a = {[CK_U8] = ck_pack_a_amx},
                  .pack_b = ck_pack_b_amx, .tile = ck_tile, .masked = masked, .expanding = ck_tile_expanding,
                  .masked_needs = CK_ISA_AVX512VBMI2);
#endif
