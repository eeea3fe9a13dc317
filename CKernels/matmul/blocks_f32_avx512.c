// f32 in blocks on AVX-512: one chain of vfmadd231ps an element, over the kept steps of K.
#include "matmul/types.h"
#if defined(__x86_64__)
#include "runtime/target.h"
#include <immintrin.h>
CK_TARGET_BEGIN(CK_TARGET_AVX512)
#include "matmul/dwords_avx512.inc.h"
CK_INLINE __m512i ck_dot(__m512i sum, __m512i a, __m512i b) {
  return _mm512_castps_si512(_mm512_fmadd_ps(_mm512_castsi512_ps(a), _mm512_castsi512_ps(b), _mm512_castsi512_ps(sum)));
}
#include "matmul/blocks_avx512.inc.h"

static void pack_a(void *panel, void *extra, const ck_matmul_source *source, size_t first, size_t rows, size_t from,
                   size_t depth) {
  ck_pack_a_blocks(panel, source, first, rows, from, depth, ck_blocks_pitch(rows), 4, 4, _mm512_setzero_si512(), NULL);
}
CK_TARGET_END

const ck_matmul_kernel ck_blocks_f32_avx512 =
    CK_BLOCKS_AVX512(.kgroup = 1, .unit = 1, .a_bytes = 4, .sums = CK_F32, .rate = 45, .pack_a = {[CK_F32] = pack_a});
#endif
