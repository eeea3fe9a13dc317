// bf16 with vdpbf16ps: two steps of K at a time, one chain an element. The instruction takes denormal inputs for zero,
// flushes denormal sums and rounds its own way (docs/Numerics.md).
#include "matmul/mask.h"
#if defined(__x86_64__)
#include "runtime/target.h"
#include <immintrin.h>
CK_TARGET_BEGIN(CK_TARGET_AVX512BF16)
#define CK_UNIT_BYTES 128
CK_INLINE __m512i ck_load_b(const char *p, size_t v) { return _mm512_loadu_si512(p + 64 * v); }
CK_INLINE __m512i ck_dot(__m512i sum, __m512i a, __m512i b) {
  return _mm512_castps_si512(_mm512_dpbf16_ps(_mm512_castsi512_ps(sum), (__m512bh)a, (__m512bh)b));
}
#include "matmul/tile_avx512.inc.h"
#include "matmul/words_avx512.inc.h"

static void pack_a(void *panel, void *extra, const ck_matmul_source *source, size_t first, size_t rows, size_t from,
                   size_t depth) {
  ck_pack_a_bf16(panel, source, first, rows, from, depth);
}

static void pack_a_f32(void *panel, void *extra, const ck_matmul_source *source, size_t first, size_t rows, size_t from,
                       size_t depth) {
  ck_pack_a_bf16_from_f32(panel, source, first, rows, from, depth);
}

static void pack_b(void *panel, void *extra, const ck_matmul_source *source, size_t first, size_t columns, size_t from,
                   size_t depth) {
  const char *at = source->data + first * source->stride + from * source->k_stride;
  if (source->k_stride == 2) return ck_pack_b_rows(panel, at, source->stride, columns, depth * 2);
  ck_pack_b_words(panel, at, source->k_stride, columns, depth);
}
CK_TARGET_END

CK_TARGET_BEGIN(CK_TARGET_AVX512BF16 ",avx512vbmi,avx512vbmi2")
#define CK_MASK_TYPE uint32_t
#define CK_MASK_ELEMENT 2
#define CK_MASK_LOAD(p, bits) _mm512_maskz_expand_epi16(bits, _mm512_loadu_si512(p))
#include "matmul/mask_vector_avx512.inc.h"
#include "matmul/tile_masked_avx512.inc.h"
CK_TARGET_END

const ck_matmul_kernel ck_matmul_bf16_avx512bf16 = {
    .mr = CK_MR,
    .nr = CK_NR,
    .kgroup = 2,
    .a_bytes = 2,
    .unit = 2,
    .unit_bytes = CK_UNIT_BYTES,
    .sums = CK_F32,
    .rate = 90,
    .pack_a = {[CK_BF16] = pack_a, [CK_F32] = pack_a_f32},
    .pack_b = pack_b,
    .tile = ck_tile,
    .masked = ck_tile_masked,
    .expanding = ck_tile_expanding,
    .masked_needs = CK_ISA_AVX512VBMI2,
};
#endif
