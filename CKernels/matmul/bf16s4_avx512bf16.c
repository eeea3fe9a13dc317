// bf16 x 4 bits with vdpbf16ps, two steps of K at a time.
#include "matmul/types.h"
#if defined(__x86_64__)
#include "runtime/target.h"
#include <immintrin.h>
#include <string.h>
CK_TARGET_BEGIN(CK_TARGET_AVX512BF16)
enum { CK_VECTORS = 4, CK_EXTRA = 0, CK_COMPLEMENT = true };
#define CK_AHEAD(rows) 12288
#define CK_NEAR(rows) false
#define CK_TOGETHER(rows) ((rows) <= 2 ? 4 : (rows) <= 5 ? 2 : 1)
#define CK_SPLIT(rows) 1
#include "matmul/bf16s4_avx512.inc.h"
CK_INLINE __m512i ck_dot(__m512i sum, __m512i a, __m512i b) {
  return _mm512_castps_si512(_mm512_dpbf16_ps(_mm512_castsi512_ps(sum), (__m512bh)b, (__m512bh)a));
}
CK_INLINE __m512i ck_start(const char *extra, __m512i zero, const bool zeros) { return _mm512_setzero_si512(); }
CK_INLINE __m512 ck_value(__m512i sum, __m512i odd, bool split) { return _mm512_castsi512_ps(sum); }
#include "matmul/s4_avx512.inc.h"
#include "matmul/words_avx512.inc.h"

CK_INLINE void ck_pack_a(void *panel, void *extra, const ck_matmul_source *source, size_t first, size_t rows,
                         size_t from, size_t depth, const ck_type type, const size_t group, const bool zeros) {
  if (type == CK_F32)
    ck_pack_a_bf16_from_f32(panel, source, first, rows, from, depth);
  else
    ck_pack_a_bf16(panel, source, first, rows, from, depth);
}

#define KERNEL(name, size, zeros)                                                                                      \
  CK_S4_FUNCTIONS(name, size, zeros, CK_S4_ROWS_14)                                                                    \
  CK_S4_PACK_A(name, bf16, CK_BF16, size, zeros)                                                                       \
  CK_S4_PACK_A(name, f32, CK_F32, size, zeros)                                                                         \
  CK_S4_KERNEL(name, avx512bf16, size, zeros, .kgroup = 2, .a_bytes = 2, .a_extra = CK_EXTRA, .rate = 80,              \
               .pack_a = {[CK_BF16] = name##_pack_a_bf16, [CK_F32] = name##_pack_a_f32})
CK_S4_FOUR(KERNEL, bf16)
CK_TARGET_END
#endif
