// s8 x 4 bits with tdpbssd: q - z as bytes, exact, 64 steps of K at a time, or the 32 of a small group.
#include "matmul/types.h"
#if defined(__x86_64__)
#include "runtime/target.h"
#include <immintrin.h>
#include <string.h>
CK_TARGET_BEGIN(CK_TARGET_AMXINT8)
enum { CK_COMPLEMENT = false };
#include "matmul/dwords_avx512.inc.h"

CK_INLINE __m512i ck_exchange_bytes(__m512i w);
CK_INLINE __m512i ck_exchange_nibbles(__m512i w);
// Byte b holds steps b and 4 + b.
CK_INLINE __m512i ck_order(__m512i w) { return ck_exchange_nibbles(ck_exchange_bytes(w)); }
#include "matmul/s4_pack_avx512.inc.h"

#include "matmul/amx.inc.h"

enum { CK_ELEMENT_BYTES = 1 };
#define CK_STEPS(group) ((group) < 64 ? (group) : 64)
#define CK_DOT_TILES _tile_dpbssd
// The zero point in all four bytes of a column.
CK_INLINE __m512i ck_zeros(const char *points) {
  const __m512i all = _mm512_broadcast_i32x4(_mm_setr_epi8(0, 0, 0, 0, 4, 4, 4, 4, 8, 8, 8, 8, 12, 12, 12, 12));
  return _mm512_shuffle_epi8(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)points)), all);
}
CK_INLINE void ck_expand_tile(char *to, const char *b, const size_t vectors, __m512i zero, const bool zeros) {
  const __m512i low = _mm512_set1_epi8(15), from = zeros ? zero : _mm512_set1_epi8(8);
#pragma clang loop unroll(full)
  for (size_t v = 0; v < vectors; v++, to += 128) {
    const __m512i w = _mm512_loadu_si512(b + v * 64);
    _mm512_store_si512(to, _mm512_sub_epi8(_mm512_and_si512(w, low), from));
    _mm512_store_si512(to + 64, _mm512_sub_epi8(_mm512_and_si512(_mm512_srli_epi32(w, 4), low), from));
  }
}
CK_INLINE __m512 ck_sums(const char *from) { return _mm512_cvtepi32_ps(_mm512_load_si512(from)); }
#include "matmul/tile_s4_amx.inc.h"
#include "matmul/s8_rows_avx512.inc.h"

#include "matmul/bytes_amx.inc.h"

// Groups of 32: rows of A and tiles of B are half as large.
static void enter_32(void) { ck_tiles_lay_out(CK_SIDE, 32, 8); }
static void pack_a_32(void *panel, const ck_matmul_source *source, size_t first, size_t rows, size_t from, size_t depth,
                      ck_matmul_pack *pack) {
  _Alignas(64) char wide[CK_ROWS * 64];
  char *to = panel;
  for (size_t k = 0; k < depth; k += 64) {
    pack(wide, NULL, source, first, rows, from + k, ck_min(64, depth - k));
    for (size_t half = 0; half < 64 && k + half < depth; half += 32)
      for (size_t i = 0; i < rows; i++, to += 32) memcpy(to, wide + i * 64 + half, 32);
  }
}
static void pack_a_32_s8(void *panel, void *extra, const ck_matmul_source *source, size_t first, size_t rows,
                         size_t from, size_t depth) {
  pack_a_32(panel, source, first, rows, from, depth, ck_pack_a_amx);
}
static void pack_a_32_f32(void *panel, void *extra, const ck_matmul_source *source, size_t first, size_t rows,
                          size_t from, size_t depth) {
  pack_a_32(panel, source, first, rows, from, depth, ck_quantize_a_amx);
}
static float row_scale(const float *row, size_t k) { return ck_s8_row_scale(row, k); }

#define KERNEL(name, size, zeros)                                                                                      \
  CK_S4_AMX_FUNCTIONS(name, size, zeros)                                                                               \
  CK_S4_AMX_KERNEL(name, amxint8, size, zeros, .kgroup = CK_STEPS(size), .a_bytes = 1, .rate = 400,                    \
                   .enter = size < 64 ? enter_32 : ck_tiles_enter, .row_scale = row_scale,                             \
                   .pack_a = {[CK_S8] = size < 64 ? pack_a_32_s8 : ck_pack_a_amx,                                      \
                              [CK_F32] = size < 64 ? pack_a_32_f32 : ck_quantize_a_amx})
CK_S4_FOUR(KERNEL, s8)
CK_TARGET_END
#endif
