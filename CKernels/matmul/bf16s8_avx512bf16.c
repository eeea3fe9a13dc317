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

static void pack_a(void *panel, void *extra, const ck_matmul_source *source, size_t first, size_t rows, size_t from,
                   size_t depth) {
  const char *at = source->data + first * source->stride + from * source->k_stride;
  ck_pack_a_rows(panel, at, source->stride, rows, depth * 2, _mm512_setzero_si512());
  const size_t groups = ck_ceil_div(depth, 2);
  memset((int32_t *)panel + groups * rows, 0, groups % 2 * rows * 4);
}
CK_TARGET_END

const ck_matmul_kernel ck_matmul_bf16s8_avx512bf16 = {
    .mr = CK_MR,
    .nr = CK_NR,
    .kgroup = CK_QUAD,
    .a_bytes = 2,
    .unit = CK_QUAD,
    .unit_bytes = CK_UNIT_BYTES,
    .sums = CK_F32,
    .rate = 90,
    .pack_a = {[CK_BF16] = pack_a},
    .pack_b = pack_b,
    .tile = ck_tile,
};
#endif
