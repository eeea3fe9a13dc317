// f32 x s8 on AVX2: weights of one byte that become f32 in registers; the chain is that of f32.
#include "matmul/types.h"
#include "matmul/wide.h"
#if defined(__x86_64__)
#include "runtime/target.h"
#include <immintrin.h>
CK_TARGET_BEGIN(CK_TARGET_AVX2)
#include "matmul/f32s8_avx2.inc.h"

static void pack_a(void *panel, void *extra, const ck_matmul_source *source, size_t first, size_t rows, size_t from,
                   size_t depth) {
  ck_matmul_f32_avx2.pack_a[CK_F32](panel, extra, source, first, rows, from, depth);
}
CK_TARGET_END

const ck_matmul_kernel ck_matmul_f32s8_avx2 = CK_WIDE_KERNEL(1, 25, 64, ck_matmul_f32_avx2, [CK_F32] = pack_a);
#endif
