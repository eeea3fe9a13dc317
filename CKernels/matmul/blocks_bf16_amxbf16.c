// bf16 in blocks with tdpbf16ps, which sums 16 pairs of steps at a time (bf16_amxbf16.c): here the kept ones.
#include "matmul/types.h"
#if defined(__x86_64__)
#include "runtime/target.h"
#include <immintrin.h>
CK_TARGET_BEGIN(CK_TARGET_AMXBF16)
#include "matmul/dwords_avx512.inc.h"
#define CK_DOT_TILES _tile_dpbf16ps
CK_INLINE __m256i ck_round16(__m512 x) { return (__m256i)_mm512_cvtneps_pbh(x); }
#include "matmul/blocks_amx.inc.h"
#include "matmul/blocks_words_avx512.inc.h"

static void pack_a(void *panel, void *extra, const ck_matmul_source *source, size_t first, size_t rows, size_t from,
                   size_t depth) {
  ck_pack_a_blocks(panel, source, first, rows, from, depth, ck_round_up(rows, 16), 2, 2, _mm512_setzero_si512(), NULL);
}
static void pack_a_f32(void *panel, void *extra, const ck_matmul_source *source, size_t first, size_t rows, size_t from,
                       size_t depth) {
  ck_pack_a_blocks(panel, source, first, rows, from, depth, ck_round_up(rows, 16), 4, 2, _mm512_setzero_si512(),
                   ck_strip_round);
}
CK_TARGET_END

const ck_matmul_kernel ck_blocks_bf16_amxbf16 =
    CK_BLOCKS_AMX(.kgroup = 2, .unit = 2, .a_bytes = 2, .sums = CK_F32, .rate = 600,
                  .pack_a = {[CK_BF16] = pack_a, [CK_F32] = pack_a_f32});
#endif
