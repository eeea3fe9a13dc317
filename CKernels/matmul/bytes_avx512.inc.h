// Packing of bytes of B as K-groups of four, which vpdpbusd multiplies. Include after matmul/tile_avx512.inc.h.
#include "matmul/s8_rows_avx512.inc.h"

// `columns` of B from `at` on, [n, k] or [k, n]; the panel is written whole.
CK_INLINE void ck_pack_b_bytes(char *to, const char *at, size_t stride, size_t step, size_t columns, size_t depth) {
  if (step == 1) return ck_pack_b_rows(to, at, stride, columns, depth);
  const __mmask32 mask = columns < CK_NR ? (1u << columns) - 1 : ~0u;
  for (size_t k = 0; k < depth; k += 4, at += 4 * step, to += CK_NR * 4) {
    __m256i r[4];
    for (size_t s = 0; s < 4; s++) r[s] = _mm256_maskz_loadu_epi8(k + s < depth ? mask : 0, at + s * step);
    ck_interleave4(r);
    _mm256_storeu_si256((__m256i *)to, _mm256_permute2x128_si256(r[0], r[1], 0x20));
    _mm256_storeu_si256((__m256i *)(to + 32), _mm256_permute2x128_si256(r[2], r[3], 0x20));
    _mm256_storeu_si256((__m256i *)(to + 64), _mm256_permute2x128_si256(r[0], r[1], 0x31));
    _mm256_storeu_si256((__m256i *)(to + 96), _mm256_permute2x128_si256(r[2], r[3], 0x31));
  }
}
