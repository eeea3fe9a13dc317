// bf16 x s8 with tdpbf16ps: weights of one byte become bf16, exactly, in a panel that the tiles of bf16 multiply, or,
// with few rows, unit by unit on the stack, since tiles are loaded from memory.
#include "matmul/types.h"
#if defined(__x86_64__)
#include "runtime/target.h"
#include <immintrin.h>
CK_TARGET_BEGIN(CK_TARGET_AMXBF16)
#include "matmul/dwords_avx512.inc.h"

#include "matmul/columns_avx512.inc.h"
#define CK_DOT_TILES _tile_dpbf16ps
#include "matmul/tile_amx.inc.h"
#include "matmul/words_amx.inc.h"
#include "matmul/quads_avx512.inc.h"

#include "matmul/quads_pack_avx512.inc.h"

enum { QUAD_BYTES = 2 * 64, UNIT_QUADS = 8, AHEAD = 8192 }; // of four steps of K, 32 columns; 32 steps

// Up to a whole unit: bytes that stand for zero.
static void pack_b_units(void *panel, void *extra, const ck_matmul_source *source, size_t first, size_t columns,
                         size_t from, size_t depth) {
  pack_b(panel, extra, source, first, columns, from, depth);
  for (size_t q = ck_ceil_div(depth, CK_QUAD); q % UNIT_QUADS != 0; q++)
    for (size_t v = 0; v < 2; v++) _mm512_storeu_si512((char *)panel + q * QUAD_BYTES + v * 64, ck_quad_flip());
}

// Steps 2 * half and 2 * half + 1 of 16 columns as pairs of bf16: the upper half of an f32 that is a whole number up to
// 128 is the same number as bf16, and its lower half is zero.
CK_INLINE __m512i widen(__m512i quads, const int half) {
  const __m512i even = _mm512_castps_si512(ck_quad_f32(quads, 2 * half));
  const __m512i odd = _mm512_castps_si512(ck_quad_f32(quads, 2 * half + 1));
  const __m512i down = _mm512_broadcast_i32x4(_mm_setr_epi8(2, 3, 0, 0, 6, 7, 0, 0, 10, 11, 0, 0, 14, 15, 0, 0));
  return ck_shuffle_into(odd, 0x3333333333333333, even, down);
}

// One unit: 16 pairs of steps of 32 columns.
CK_INLINE void expand_unit(char *wide, const char *from) {
#pragma clang loop unroll(full)
  for (size_t q = 0; q < UNIT_QUADS; q++, from += QUAD_BYTES, wide += 2 * QUAD_BYTES) {
    const __m512i a = _mm512_loadu_si512(from), b = _mm512_loadu_si512(from + 64);
    _mm512_store_si512(wide, widen(a, 0));
    _mm512_store_si512(wide + 64, widen(b, 0));
    _mm512_store_si512(wide + 128, widen(a, 1));
    _mm512_store_si512(wide + 192, widen(b, 1));
  }
}
static void expand(void *to, const void *panel, size_t units) {
  for (size_t u = 0; u < units; u++)
    expand_unit((char *)to + u * CK_UNIT_BYTES, (const char *)panel + u * UNIT_QUADS * QUAD_BYTES);
}

// At most 32 rows: weights come from memory, and each unit is expanded while the one before is multiplied.
static void few_rows(const ck_matmul_tile *tile) {
  _Alignas(64) char wide[2][CK_UNIT_BYTES], sums[CK_ROWS * CK_NR * 4];
  const char *a = tile->a, *b = tile->b;
  const size_t rows = tile->rows, a_bytes = rows * 64, unit_bytes = UNIT_QUADS * QUAD_BYTES;
  const bool half = rows <= CK_SIDE;
  if (tile->from) ck_copy_sums(sums, CK_NR * 4, tile->from, tile->from_stride * 4, rows, tile->columns);
  ck_load_sums(tile->from ? sums : NULL, CK_NR * 4, half);
  if (tile->units > 0) expand_unit(wide[0], b);
  for (size_t u = 0; u < tile->units; u++, a += a_bytes, b += unit_bytes) {
#pragma clang loop unroll(full)
    for (size_t at = 0; at < UNIT_QUADS * QUAD_BYTES; at += 64) __builtin_prefetch(b + AHEAD + at, 0, 2);
    ck_multiply_unit(a, wide[u % 2], half);
    if (u + 1 < tile->units) expand_unit(wide[(u + 1) % 2], b + unit_bytes);
  }
  ck_store_sums(sums, CK_NR * 4, half);
  ck_copy_sums(tile->to, tile->to_stride * 4, sums, CK_NR * 4, rows, tile->columns);
}
CK_TARGET_END

extern const ck_matmul_kernel ck_matmul_bf16_amxbf16;
const ck_matmul_kernel ck_matmul_bf16s8_amxbf16 =
    CK_AMX_KERNEL(32, 2, .unit_bytes = UNIT_QUADS * QUAD_BYTES, .sums = CK_F32, .rate = 400,
                  .pack_a = {[CK_BF16] = ck_pack_a_amx, [CK_F32] = ck_pack_a_amx_f32}, .pack_b = pack_b_units,
                  .tile = few_rows, .expand = expand, .expand_rows = CK_ROWS, .dense = &ck_matmul_bf16_amxbf16);
#endif
