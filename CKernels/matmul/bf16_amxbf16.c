// bf16 with tdpbf16ps: 32 steps of K at a time. The instruction sums its even and its odd steps apart, each in a chain
// of fused multiply-adds from zero, adds the two and adds that to the sum; denormals count as zero all the way
// (docs/Numerics.md).
#include "matmul/mask.h"
#if defined(__x86_64__)
#include "runtime/target.h"
#include <immintrin.h>
CK_TARGET_BEGIN(CK_TARGET_AMXBF16)
#include "matmul/dwords_avx512.inc.h"

#include "matmul/columns_avx512.inc.h"
#define CK_DOT_TILES _tile_dpbf16ps
#include "matmul/tile_amx.inc.h"
#include "matmul/words_amx.inc.h"

static void pack_b(void *panel, void *extra, const ck_matmul_source *source, size_t first, size_t columns, size_t from,
                   size_t depth) {
  const char *at = source->data + first * source->stride + from * source->k_stride;
  if (source->k_stride == 2)
    ck_pack_b_rows(panel, at, source->stride, columns, depth * 2);
  else
    ck_pack_b_words(panel, at, source->k_stride, columns, depth);
  ck_pad_b_tiles(panel, ck_ceil_div(depth, 2));
}
CK_TARGET_END

CK_TARGET_BEGIN(CK_TARGET_AMXBF16 ",avx512vbmi,avx512vbmi2")
#define CK_MASK_TYPE uint32_t
#define CK_MASK_ELEMENT 2
#define CK_MASK_LOAD(p, bits) _mm512_maskz_expand_epi16(bits, _mm512_loadu_si512(p))
#include "matmul/mask_vector_avx512.inc.h"
#include "matmul/tile_masked_amx.inc.h"

static void masked(const ck_matmul_tile *tile) { ck_tile_masked_amx(tile); }
CK_TARGET_END

const ck_matmul_kernel ck_matmul_bf16_amxbf16 = CK_AMX_KERNEL(
    32, 2, .unit_bytes = CK_UNIT_BYTES, .sums = CK_F32, .rate = 600,
    .pack_a = {[CK_BF16] = ck_pack_a_amx, [CK_F32] = ck_pack_a_amx_f32}, .pack_b = pack_b, .tile = ck_tile,
    .masked = masked, .expanding = ck_tile_expanding, .masked_needs = CK_ISA_AVX512VBMI2);
#endif
