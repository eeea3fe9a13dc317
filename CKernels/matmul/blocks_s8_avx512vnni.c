// s8 in blocks with vpdpbusd; the offset of A is taken back as in s8_avx512vnni.c, by the sums of the columns.
#include "matmul/types.h"
#if defined(__x86_64__)
#include "runtime/target.h"
#include <immintrin.h>
CK_TARGET_BEGIN(CK_TARGET_AVX512VNNI)
#include "matmul/dwords_avx512.inc.h"
#include "matmul/s8_rows_avx512.inc.h"
CK_INLINE __m512i ck_dot(__m512i sum, __m512i a, __m512i b) { return _mm512_dpbusd_epi32(sum, a, b); }
#define CK_ADD_EXTRA(sum, p) _mm512_add_epi32(sum, _mm512_loadu_si512(p))
#define CK_BLOCKS_BYTES
#include "matmul/blocks_avx512.inc.h"

static void pack_a(void *panel, void *extra, const ck_matmul_source *source, size_t first, size_t rows, size_t from,
                   size_t depth) {
  ck_pack_a_blocks(panel, source, first, rows, from, depth, ck_blocks_pitch(rows), 1, 1, _mm512_set1_epi8((char)0x80),
                   NULL);
}
static void quantize_a(void *panel, void *extra, const ck_matmul_source *source, size_t first, size_t rows, size_t from,
                       size_t depth) {
  ck_pack_a_blocks(panel, source, first, rows, from, depth, ck_blocks_pitch(rows), 4, 1, _mm512_set1_epi8((char)0x80),
                   ck_strip_quantize);
}
static float row_scale(const float *row, size_t k) { return ck_s8_row_scale(row, k); }
CK_TARGET_END

const ck_matmul_kernel ck_blocks_s8_avx512vnni =
    CK_BLOCKS_AVX512(.kgroup = 4, .unit = 4, .a_bytes = 1, .b_extra = CK_BLOCK_COLUMNS * 4, .sums = CK_S32, .rate = 180,
                     .pack_a = {[CK_S8] = pack_a, [CK_F32] = quantize_a}, .row_scale = row_scale);
#endif
