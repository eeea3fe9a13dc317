// s8 in blocks with tdpbssd: exact.
#include "matmul/types.h"
#if defined(__x86_64__)
#include "runtime/target.h"
#include <immintrin.h>
CK_TARGET_BEGIN(CK_TARGET_AMXINT8)
#include "matmul/dwords_avx512.inc.h"
#include "matmul/s8_rows_avx512.inc.h"
#define CK_DOT_TILES _tile_dpbssd
#define CK_BLOCKS_BYTES
#include "matmul/blocks_amx.inc.h"

static void pack_a(void *panel, void *extra, const ck_matmul_source *source, size_t first, size_t rows, size_t from,
                   size_t depth) {
  ck_pack_a_blocks(panel, source, first, rows, from, depth, ck_round_up(rows, 16), 1, 1, _mm512_setzero_si512(), NULL);
}
static void quantize_a(void *panel, void *extra, const ck_matmul_source *source, size_t first, size_t rows, size_t from,
                       size_t depth) {
  ck_pack_a_blocks(panel, source, first, rows, from, depth, ck_round_up(rows, 16), 4, 1, _mm512_setzero_si512(),
                   ck_strip_quantize);
}
static float row_scale(const float *row, size_t k) { return ck_s8_row_scale(row, k); }
CK_TARGET_END

const ck_matmul_kernel ck_blocks_s8_amxint8 =
    CK_BLOCKS_AMX(.kgroup = 4, .unit = 4, .a_bytes = 1, .sums = CK_S32, .rate = 1200,
                  .pack_a = {[CK_S8] = pack_a, [CK_F32] = quantize_a}, .row_scale = row_scale);
#endif
