// bf16 x s8 with vdpbf16ps: weights of one byte that become bf16 in registers, exactly, by way of f32.
#include "matmul/types.h"
#if defined(__x86_64__)
#include "runtime/target.h"
#include <immintrin.h>
CK_TARGET_BEGIN(CK_TARGET_AVX512BF16)
#include "matmul/quads_avx512.inc.h"
#define CK_UNIT_BYTES 128
#define CK_UNIT_GROUPS 2
CK_INLINE __m512i ck_load_b(const char *p, size_t v, size_t group) {
  const __m512i quads = _mm512_loadu_si512(p + 64 * v);
  const __m512i even = _mm512_castps_si512(ck_quad_f32(quads, 2 * group));
  const __m512i odd = _mm512_castps_si512(ck_quad_f32(quads, 2 * group + 1));
  // The upper half of an f32 that is a whole number up to 128 is the same number as bf16, and its lower half is zero.
  const __m512i half = _mm512_broadcast_i32x4(_mm_setr_epi8(2, 3, 0, 0, 6, 7, 0, 0, 10, 11, 0, 0, 14, 15, 0, 0));
  return ck_shuffle_into(odd, 0x3333333333333333, even, half);
}
CK_INLINE __m512i ck_dot(__m512i sum, __m512i a, __m512i b) {
  return _mm512_castps_si512(_mm512_dpbf16_ps(_mm512_castsi512_ps(sum), (__m512bh)a, (__m512bh)b));
}
#include "matmul/tile_avx512.inc.h"
#include "matmul/quads_pack_avx512.inc.h"
#include "matmul/words_avx512.inc.h"

// A's part of the last unit, past the end of K.
CK_INLINE void fill(int32_t *panel, size_t rows, size_t depth) {
  const size_t groups = ck_ceil_div(depth, 2);
  memset(panel + groups * rows, 0, groups % 2 * rows * 4);
}

static void pack_a(void *panel, void *extra, const ck_matmul_source *source, size_t first, size_t rows, size_t from,
                   size_t depth) {
  ck_pack_a_bf16(panel, source, first, rows, from, depth);
  fill(panel, rows, depth);
}

static void pack_a_f32(void *panel, void *extra, const ck_matmul_source *source, size_t first, size_t rows, size_t from,
                       size_t depth) {
  ck_pack_a_bf16_from_f32(panel, source, first, rows, from, depth);
  fill(panel, rows, depth);
}

// Two K-groups a unit, each a unit of the dense panel.
static void expand(void *to, const void *panel, size_t units) {
  const char *from = panel;
  char *wide = to;
  for (size_t u = 0; u < units; u++, from += CK_UNIT_BYTES) {
    __builtin_prefetch(from + 2048);
    __builtin_prefetch(from + 2112);
#pragma clang loop unroll(full)
    for (size_t g = 0; g < CK_UNIT_GROUPS; g++, wide += 128) {
      _mm512_storeu_si512(wide, ck_load_b(from, 0, g));
      _mm512_storeu_si512(wide + 64, ck_load_b(from, 1, g));
    }
  }
}
CK_TARGET_END

extern const ck_matmul_kernel ck_matmul_bf16_avx512bf16;
const ck_matmul_kernel ck_matmul_bf16s8_avx512bf16 = {
    .mr = CK_MR - 1, // 14 rows and what widens B do not fit the registers: 88 instead of 108 multiply-adds a ns
    .nr = CK_NR,
    .kgroup = CK_QUAD,
    .a_bytes = 2,
    .unit = CK_QUAD,
    .unit_bytes = CK_UNIT_BYTES,
    .sums = CK_F32,
    .rate = 90,
    .pack_a = {[CK_BF16] = pack_a, [CK_F32] = pack_a_f32},
    .pack_b = pack_b,
    .tile = ck_tile,
    .expand = expand,
    .expand_rows = 32,
    .dense = &ck_matmul_bf16_avx512bf16,
};
#endif
