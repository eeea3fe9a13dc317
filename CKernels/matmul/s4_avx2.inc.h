// What products with 4-bit weights share on AVX2: tiles of 6 x 8, one panel of B at a time.
// Include inside CK_TARGET_BEGIN(...).
#include "matmul/dwords_avx2.inc.h"
#include "matmul/s4.h"
#include "matmul/tile_rows.inc.h"

enum { CK_NR = 8 };

CK_INLINE __m256i ck_broadcast(const char *p) {
  int32_t value;
  memcpy(&value, p, sizeof value);
  return _mm256_set1_epi32(value);
}

CK_INLINE void ck_load_tile(__m256 *c, const ck_matmul_tile *tile, const size_t rows) {
  const __m256i mask = ck_mask8(tile->columns);
  const float *from = tile->from;
#pragma clang loop unroll(full)
  for (size_t i = 0; i < rows; i++)
    c[i] = from ? _mm256_maskload_ps(from + i * tile->from_stride, mask) : _mm256_setzero_ps();
}

// Masked stores are slow: whole tiles take none.
CK_INLINE void ck_store_tile(const __m256 *c, const ck_matmul_tile *tile, const size_t rows) {
  float *to = tile->to;
  const __m256i mask = ck_mask8(tile->columns);
#pragma clang loop unroll(full)
  for (size_t i = 0; i < rows; i++)
    if (tile->columns == CK_NR)
      _mm256_storeu_ps(to + i * tile->to_stride, c[i]);
    else
      _mm256_maskstore_ps(to + i * tile->to_stride, mask, c[i]);
}
