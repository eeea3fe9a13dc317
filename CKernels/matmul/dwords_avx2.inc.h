// Packing of 32-bit units for AVX2: an f32, or two neighbouring elements of one row widened to s16, which is the
// K-group of vpmaddwd. Include inside CK_TARGET_BEGIN(...).
#include "runtime/target.h"
#include <immintrin.h>
#include <string.h>

// 8 x 8 transpose of 32-bit units: out[j] lane i = in[i] lane j.
CK_INLINE void ck_transpose8(__m256i r[8]) {
  __m256i t[8];
#pragma clang loop unroll(full)
  for (int i = 0; i < 8; i += 2) {
    t[i] = _mm256_unpacklo_epi32(r[i], r[i + 1]);
    t[i + 1] = _mm256_unpackhi_epi32(r[i], r[i + 1]);
  }
#pragma clang loop unroll(full)
  for (int i = 0; i < 8; i += 4) {
    r[i] = _mm256_unpacklo_epi64(t[i], t[i + 2]);
    r[i + 1] = _mm256_unpackhi_epi64(t[i], t[i + 2]);
    r[i + 2] = _mm256_unpacklo_epi64(t[i + 1], t[i + 3]);
    r[i + 3] = _mm256_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
#pragma clang loop unroll(full)
  for (int i = 0; i < 4; i++) {
    t[i] = _mm256_permute2x128_si256(r[i], r[i + 4], 0x20);
    t[i + 4] = _mm256_permute2x128_si256(r[i], r[i + 4], 0x31);
  }
#pragma clang loop unroll(full)
  for (int i = 0; i < 8; i++) r[i] = t[i];
}

// Eight units of one row from 8 * unit bytes, unit being what a unit has in memory: 4 bytes of f32, 2 of what is
// widened.
typedef __m256i ck_units8(const char *from);

CK_INLINE __m256i ck_units8_f32(const char *from) { return _mm256_loadu_si256((const __m256i *)from); }
// Two bytes widened to s16.
CK_INLINE __m256i ck_units8_s8(const char *from) {
  return _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)from));
}
CK_INLINE __m256i ck_units8_u8(const char *from) {
  return _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)from));
}

// Rows contiguous along K -> unit g of row i at panel[g * width + i], i < rows <= 8. Stores eight lanes at a time in
// increasing order of g: what lies past the rows is overwritten by the next g, or is CK_MATMUL_SLACK at the end. bytes:
// of a row; the last unit is padded with zeros.
CK_INLINE void ck_pack_rows8(int32_t *panel, size_t width, const char *source, size_t stride, size_t rows, size_t bytes,
                             size_t unit, ck_units8 *load) {
  size_t done = 0;
  for (; done + 8 * unit <= bytes; done += 8 * unit, source += 8 * unit, panel += 8 * width) {
    __m256i r[8];
#pragma clang loop unroll(full)
    for (size_t i = 0; i < 8; i++) r[i] = i < rows ? load(source + i * stride) : _mm256_setzero_si256();
    ck_transpose8(r);
#pragma clang loop unroll(full)
    for (size_t g = 0; g < 8; g++) _mm256_storeu_si256((__m256i *)(panel + g * width), r[g]);
  }
  if (done == bytes) return;
  __m256i r[8];
#pragma clang loop unroll(full)
  for (size_t i = 0; i < 8; i++) {
    char copy[32] = {0};
    if (i < rows) memcpy(copy, source + i * stride, bytes - done);
    r[i] = load(copy);
  }
  ck_transpose8(r);
  for (size_t g = 0; g < ck_ceil_div(bytes - done, unit); g++)
    _mm256_storeu_si256((__m256i *)(panel + g * width), r[g]);
}

// Lanes below count, for vpmaskmov.
CK_INLINE __m256i ck_mask8(size_t count) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(count > 8 ? 8 : (int)count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

enum { CK_MR = 6 }; // rows of a panel of A

// Rows of A, contiguous along K, as K-groups; unit and load as for ck_pack_rows8.
CK_INLINE void ck_pack_a_rows(void *panel, const char *at, size_t stride, size_t rows, size_t bytes, size_t unit,
                              ck_units8 *load) {
  if (rows == CK_MR)
    ck_pack_rows8(panel, CK_MR, at, stride, CK_MR, bytes, unit, load);
  else
    ck_pack_rows8(panel, rows, at, stride, rows, bytes, unit, load);
}
