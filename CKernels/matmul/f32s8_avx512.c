// f32 x s8 on AVX-512: weights of one byte that become f32 in registers; the chain is that of f32.
#include "matmul/types.h"
#include "matmul/wide.h"
#if defined(__x86_64__)
#include "runtime/target.h"
#include <immintrin.h>
CK_TARGET_BEGIN(CK_TARGET_AVX512)
#include "matmul/f32s8_avx512.inc.h"

static void pack_a(void *panel, void *extra, const ck_matmul_source *source, size_t first, size_t rows, size_t from,
                   size_t depth) {
  const char *at = source->data + first * source->stride + from * source->k_stride;
  float *to = panel;
  if (source->k_stride == sizeof(float))
    ck_pack_a_rows(panel, at, source->stride, rows, depth * sizeof(float), _mm512_setzero_si512());
  else {
    const __mmask16 mask = ck_mask16(rows);
    for (size_t k = 0; k < depth; k++, at += source->k_stride)
      _mm512_storeu_ps(to + k * rows, _mm512_maskz_loadu_ps(mask, at));
  }
  ck_quad_fill(to, rows, depth);
}
CK_TARGET_END

const ck_matmul_kernel ck_matmul_f32s8_avx512 = CK_WIDE_KERNEL(4, 45, 64, ck_matmul_f32_avx512, [CK_F32] = pack_a);
#endif
