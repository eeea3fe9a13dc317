// Few rows against bit masks of bytes on AMX. Include inside CK_TARGET_BEGIN(...) with VBMI2, after
// matmul/tile_amx.inc.h and, where A has signed bytes, with CK_MASK_SIGNED defined.
#include "matmul/mask_bytes_avx512.inc.h"
#define CK_MASK_A(a, c, rows) ((a) + (c) / 4 * ((rows) * 64) + (c) % 4 * 16)
#define CK_MASK_A_GROUP(rows) 4
#define CK_MASK_A_ROW 64
#define CK_MASKED_CASES CK_MASKED_CASES_4
CK_INLINE __m512i ck_dot(__m512i sum, __m512i a, __m512i b) { return _mm512_dpbusd_epi32(sum, a, b); }
#include "matmul/tile_masked_amx.inc.h"
#include "matmul/tile_masked_avx512.inc.h"

// Sums are exact either way; tiles take 1.7 times as long with one row.
static void masked(const ck_matmul_tile *tile) {
  if (tile->rows <= 4)
    ck_tile_masked(tile);
  else
    ck_tile_masked_amx(tile);
}
