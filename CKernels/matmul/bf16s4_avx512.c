// bf16 x 4 bits on AVX-512 without bf16 arithmetic: A is widened when it is packed, q - z comes from a table of f32,
// and the sum of a group is one chain of vfmadd231ps. vpermps looks at the low 4 bits of each dword, so that a shift is
// all that a nibble needs.
#include "matmul/types.h"
#if defined(__x86_64__)
#include "runtime/target.h"
#include <immintrin.h>
#include <string.h>
CK_TARGET_BEGIN(CK_TARGET_AVX512)
enum { CK_VECTORS = 8, CK_EXTRA = 0, CK_COMPLEMENT = false };
#define CK_AHEAD(rows) 8192
#define CK_NEAR(rows) false
#define CK_TOGETHER(rows) ((rows) <= 2 ? 2 : 1)
#define CK_SPLIT(rows) 1

CK_INLINE __m512i ck_zeros(const char *points) {
  const __m512i z = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)points));
  return _mm512_castps_si512(_mm512_cvtepi32_ps(z));
}
CK_INLINE void ck_expand(__m512i *b, __m512i w, __m512i zero, const bool zeros) {
  const __m512 q = _mm512_setr_ps(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const __m512 table = zeros ? q : _mm512_sub_ps(q, _mm512_set1_ps(8));
#pragma clang loop unroll(full)
  for (unsigned v = 0; v < CK_VECTORS; v++) {
    const __m512 value = _mm512_permutexvar_ps(_mm512_srli_epi32(w, 4 * v), table);
    b[v] = _mm512_castps_si512(zeros ? _mm512_sub_ps(value, _mm512_castsi512_ps(zero)) : value);
  }
}
CK_INLINE __m512i ck_dot(__m512i sum, __m512i a, __m512i b) {
  return _mm512_castps_si512(_mm512_fmadd_ps(_mm512_castsi512_ps(b), _mm512_castsi512_ps(a), _mm512_castsi512_ps(sum)));
}
CK_INLINE __m512i ck_start(const char *extra, __m512i zero, const bool zeros) { return _mm512_setzero_si512(); }
CK_INLINE __m512 ck_value(__m512i sum, __m512i odd, bool split) { return _mm512_castsi512_ps(sum); }
CK_INLINE __m512i ck_order(__m512i w) { return w; } // nibble s holds step s
#include "matmul/s4_avx512.inc.h"
#include "matmul/bf16_hooks_avx512.inc.h"
#include "matmul/wide_a_avx512.inc.h"

#define KERNEL(name, size, zeros)                                                                                      \
  CK_S4_FUNCTIONS(name, size, zeros, CK_S4_ROWS_14)                                                                    \
  CK_S4_KERNEL(name, avx512, size, zeros, .kgroup = 1, .a_bytes = 4, .rate = 45,                                       \
               .pack_a = {[CK_BF16] = pack_a, [CK_F32] = pack_a_f32})
CK_S4_FOUR(KERNEL, bf16)
CK_TARGET_END
#endif
