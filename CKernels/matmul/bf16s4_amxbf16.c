// bf16 x 4 bits with tdpbf16ps, 32 steps of K at a time.
#include "matmul/types.h"
#if defined(__x86_64__)
#include "runtime/target.h"
#include <immintrin.h>
#include <string.h>
CK_TARGET_BEGIN(CK_TARGET_AMXBF16)
enum { CK_VECTORS = 4, CK_EXTRA = 0, CK_COMPLEMENT = true };
#include "matmul/dwords_avx512.inc.h"

#include "matmul/bf16s4_avx512.inc.h"

#include "matmul/s4_pack_avx512.inc.h"

#include "matmul/amx.inc.h"

enum { CK_ELEMENT_BYTES = 2 };
#define CK_STEPS(group) 32
#define CK_DOT_TILES _tile_dpbf16ps
CK_INLINE void ck_expand_tile(char *to, const char *b, const size_t vectors, __m512i zero, const bool zeros) {
#pragma clang loop unroll(full)
  for (size_t v = 0; v < vectors; v++) {
    __m512i wide[CK_VECTORS];
    ck_expand(wide, _mm512_loadu_si512(b + v * 64), zero, zeros);
#pragma clang loop unroll(full)
    for (size_t g = 0; g < CK_VECTORS; g++) _mm512_store_si512(to + (v * CK_VECTORS + g) * 64, wide[g]);
  }
}
CK_INLINE __m512 ck_sums(const char *from) { return _mm512_load_ps(from); }
#include "matmul/tile_s4_amx.inc.h"
#include "matmul/words_amx.inc.h"

#define KERNEL(name, size, zeros)                                                                                      \
  CK_S4_AMX_FUNCTIONS(name, size, zeros)                                                                               \
  CK_S4_AMX_KERNEL(name, amxbf16, size, zeros, .kgroup = 32, .a_bytes = 2, .rate = 300, .enter = ck_tiles_enter,       \
                   .pack_a = {[CK_BF16] = ck_pack_a_amx, [CK_F32] = ck_pack_a_amx_f32})
CK_S4_FOUR(KERNEL, bf16)
CK_TARGET_END
#endif
