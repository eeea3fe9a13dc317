// Bit masks as mask registers, sixteen columns of floats at a time. Expansion and compression stay in registers:
// vpcompressd to memory is microcoded on Zen 4.
#if defined(__x86_64__)
#include <immintrin.h>

#include "bitmask/kernels.h"
#include "runtime/target.h"
#include "runtime/worker.h"
CK_TARGET_BEGIN(CK_TARGET_AVX512)

// The first n of 16 lanes.
static inline __mmask16 lanes(size_t n) { return n >= 16 ? 0xffff : (__mmask16)((1u << n) - 1); }
static inline __m512 load(const float *p, size_t n) {
  return n >= 16 ? _mm512_loadu_ps(p) : _mm512_maskz_loadu_ps(lanes(n), p);
}
static inline void store(float *p, size_t n, __m512 v) {
  if (n >= 16)
    _mm512_storeu_ps(p, v);
  else
    _mm512_mask_storeu_ps(p, lanes(n), v);
}
// The bits of columns j ..< j + 16, of which n are in the row.
static inline __mmask16 bits_at(const uint8_t *mask, size_t j, size_t n) {
  return n > 8 ? (__mmask16)(mask[j / 8] | mask[j / 8 + 1] << 8) : mask[j / 8];
}

size_t ck_mask_row_f32_avx512(const float *x, size_t columns, uint8_t *mask) {
  size_t count = 0, j = 0;
  for (; j + 16 <= columns; j += 16) {
    uint16_t bits = _mm512_cmp_ps_mask(_mm512_loadu_ps(x + j), _mm512_setzero_ps(), _CMP_NEQ_UQ);
    __builtin_memcpy(mask + j / 8, &bits, 2);
    count += (size_t)__builtin_popcount(bits);
  }
  if (j < columns) {
    __m512 rest = _mm512_maskz_loadu_ps(lanes(columns - j), x + j);
    uint16_t bits = _mm512_cmp_ps_mask(rest, _mm512_setzero_ps(), _CMP_NEQ_UQ);
    __builtin_memcpy(mask + j / 8, &bits, columns - j > 8 ? 2 : 1);
    count += (size_t)__builtin_popcount(bits);
  }
  return count;
}

size_t ck_mask_row_s8_avx512(const int8_t *x, size_t columns, uint8_t *mask) {
  size_t count = 0;
  for (size_t j = 0; j < columns; j += 64) {
    size_t n = ck_min(columns - j, 64);
    __m512i v = _mm512_maskz_loadu_epi8(~0ull >> (64 - n), x + j);
    uint64_t bits = _mm512_test_epi8_mask(v, v);
    if (n == 64)
      __builtin_memcpy(mask + j / 8, &bits, 8);
    else
      __builtin_memcpy(mask + j / 8, &bits, ck_ceil_div(n, 8));
    count += (size_t)__builtin_popcountll(bits);
  }
  return count;
}

void ck_compress_row_f32_avx512(const float *x, const uint8_t *mask, size_t columns, float *values, size_t count) {
  for (size_t j = 0, k = 0; j < columns; j += 16) {
    __mmask16 bits = bits_at(mask, j, columns - j);
    // Lanes beyond the bits set are zeros that the next store of this row overwrites.
    store(values + k, count - k, _mm512_maskz_compress_ps(bits, load(x + j, columns - j)));
    k += (size_t)__builtin_popcount(bits);
  }
}

void ck_expand_row_f32_avx512(const float *values, size_t count, const uint8_t *mask, size_t columns, float *y) {
  for (size_t j = 0, k = 0; j < columns; j += 16) {
    __mmask16 bits = bits_at(mask, j, columns - j);
    store(y + j, columns - j, _mm512_maskz_expand_ps(bits, load(values + k, count - k)));
    k += (size_t)__builtin_popcount(bits);
  }
}

void ck_apply_row_f32_avx512(const uint8_t *mask, size_t columns, float *y) {
  for (size_t j = 0; j < columns; j += 16)
    store(y + j, columns - j, _mm512_maskz_mov_ps(bits_at(mask, j, columns - j), load(y + j, columns - j)));
}

const ck_bitmask_kernels ck_bitmask_avx512 = {
    ck_mask_row_f32_avx512,   ck_mask_row_s8_avx512, ck_compress_row_f32_avx512, ck_compress_row_s8_avx2,
    ck_expand_row_f32_avx512, ck_expand_row_s8_avx2, ck_apply_row_f32_avx512,
};
CK_TARGET_END
#endif
