// bf16 in blocks with vdpbf16ps: one chain of pairs an element, over the kept ones.
#include "matmul/types.h"
#if defined(__x86_64__)
#include "runtime/target.h"
#include <immintrin.h>
CK_TARGET_BEGIN(CK_TARGET_AVX512BF16)
#include "matmul/dwords_avx512.inc.h"
#include "matmul/words_avx512.inc.h"
CK_INLINE __m512i ck_dot(__m512i sum, __m512i a, __m512i b) {
  return _mm512_castps_si512(_mm512_dpbf16_ps(_mm512_castsi512_ps(sum), (__m512bh)a, (__m512bh)b));
}
CK_INLINE __m256i ck_round16(__m512 x) { return _mm512_cvtepi32_epi16(ck_narrow16(x)); }
#include "matmul/blocks_avx512.inc.h"
#include "matmul/blocks_words_avx512.inc.h"

static void pack_a(void *panel, void *extra, const ck_matmul_source *source, size_t first, size_t rows, size_t from,
                   size_t depth) {
  ck_pack_a_blocks(panel, source, first, rows, from, depth, ck_blocks_pitch(rows), 2, 2, _mm512_setzero_si512(), NULL);
}
static void pack_a_f32(void *panel, void *extra, const ck_matmul_source *source, size_t first, size_t rows, size_t from,
                       size_t depth) {
  ck_pack_a_blocks(panel, source, first, rows, from, depth, ck_blocks_pitch(rows), 4, 2, _mm512_setzero_si512(),
                   ck_strip_round);
}
CK_TARGET_END

const ck_matmul_kernel ck_blocks_bf16_avx512bf16 =
    CK_BLOCKS_AVX512(.kgroup = 2, .unit = 2, .a_bytes = 2, .sums = CK_F32, .rate = 90,
                     .pack_a = {[CK_BF16] = pack_a, [CK_F32] = pack_a_f32});
#endif
