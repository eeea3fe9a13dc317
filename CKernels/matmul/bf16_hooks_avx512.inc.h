// bf16 in f32 arithmetic, for matmul/wide_a_avx512.inc.h.
#include "matmul/halves_avx512.inc.h"
CK_INLINE __m512 ck_widen16(__m256i h) { return (__m512)vwiden_bf16((vhalf)h); }
CK_INLINE __m512 ck_round16(__m512 x) {
  return (__m512)_mm512_and_si512((__m512i)vround_bf16((vfloat)x), _mm512_set1_epi32((int)0xffff0000));
}
