// bf16 x s8 on AVX-512 without bf16 arithmetic: both become f32.
#include "matmul/types.h"
#include "matmul/wide.h"
#if defined(__x86_64__)
#include "runtime/target.h"
#include <immintrin.h>
CK_TARGET_BEGIN(CK_TARGET_AVX512)
#include "matmul/bf16_hooks_avx512.inc.h"
#include "matmul/f32s8_avx512.inc.h"
#define pack_a pack_wide_a
#define pack_a_f32 pack_wide_a_f32
#include "matmul/wide_a_avx512.inc.h"
#undef pack_a
#undef pack_a_f32

static void pack_a(void *panel, void *extra, const ck_matmul_source *source, size_t first, size_t rows, size_t from,
                   size_t depth) {
  pack_wide_a(panel, extra, source, first, rows, from, depth);
  ck_quad_fill(panel, rows, depth);
}

static void pack_a_f32(void *panel, void *extra, const ck_matmul_source *source, size_t first, size_t rows, size_t from,
                       size_t depth) {
  pack_wide_a_f32(panel, extra, source, first, rows, from, depth);
  ck_quad_fill(panel, rows, depth);
}
CK_TARGET_END

const ck_matmul_kernel ck_matmul_bf16s8_avx512 =
    CK_WIDE_KERNEL(4, 45, 64, ck_matmul_f32_avx512, [CK_BF16] = pack_a, [CK_F32] = pack_a_f32);
#endif
