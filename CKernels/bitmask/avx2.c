// Bit masks eight columns at a time: bytes move by pdep and pext, floats by permutations that pdep and pext make.
#if defined(__x86_64__)
#include <immintrin.h>

#include "bitmask/kernels.h"
#include "runtime/target.h"
#include "runtime/worker.h"
CK_TARGET_BEGIN(CK_TARGET_AVX2)

// The first n of 8 lanes.
static inline __m256i lanes(size_t n) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
static inline __m256 load(const float *p, size_t n) {
  return n >= 8 ? _mm256_loadu_ps(p) : _mm256_maskload_ps(p, lanes(n));
}
static inline void store(float *p, size_t n, __m256 v) {
  if (n >= 8)
    _mm256_storeu_ps(p, v);
  else
    _mm256_maskstore_ps(p, lanes(n), v);
}
static inline uint64_t load_bytes(const int8_t *p, size_t n) {
  uint64_t v = 0;
  if (n >= 8)
    __builtin_memcpy(&v, p, 8);
  else
    __builtin_memcpy(&v, p, n);
  return v;
}
static inline void store_bytes(int8_t *p, size_t n, uint64_t v) {
  if (n >= 8)
    __builtin_memcpy(p, &v, 8);
  else
    __builtin_memcpy(p, &v, n);
}
// Each bit to a byte of ones.
static inline uint64_t bytes_of(uint8_t bits) { return _pdep_u64(bits, 0x0101010101010101u) * 0xff; }
static const uint64_t ranks = 0x0706050403020100u;

static size_t mask_f32(const float *x, size_t columns, uint8_t *mask) {
  size_t count = 0;
  for (size_t j = 0; j < columns; j += 8) {
    unsigned bits =
        (unsigned)_mm256_movemask_ps(_mm256_cmp_ps(load(x + j, columns - j), _mm256_setzero_ps(), _CMP_NEQ_UQ));
    mask[j / 8] = (uint8_t)bits;
    count += (size_t)__builtin_popcount(bits);
  }
  return count;
}

static size_t mask_s8(const int8_t *x, size_t columns, uint8_t *mask) {
  size_t count = 0, j = 0;
  for (; j + 32 <= columns; j += 32) {
    __m256i zero = _mm256_cmpeq_epi8(_mm256_loadu_si256((const __m256i *)(x + j)), _mm256_setzero_si256());
    uint32_t bits = ~(uint32_t)_mm256_movemask_epi8(zero);
    __builtin_memcpy(mask + j / 8, &bits, 4);
    count += (size_t)__builtin_popcount(bits);
  }
  for (; j < columns; j += 8) {
    __m128i v = _mm_cvtsi64_si128((long long)load_bytes(x + j, columns - j));
    unsigned bits = ~(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(v, _mm_setzero_si128())) & 0xff;
    mask[j / 8] = (uint8_t)bits;
    count += (size_t)__builtin_popcount(bits);
  }
  return count;
}

static void compress_f32(const float *x, const uint8_t *mask, size_t columns, float *values, size_t count) {
  for (size_t j = 0, k = 0; j < columns; j += 8) {
    uint8_t bits = mask[j / 8];
    if (bits == 0) continue;
    __m256i from = _mm256_cvtepu8_epi32(_mm_cvtsi64_si128((long long)_pext_u64(ranks, bytes_of(bits))));
    // Lanes beyond the bits set are rubbish that the next store of this row overwrites.
    store(values + k, count - k, _mm256_permutevar8x32_ps(load(x + j, columns - j), from));
    k += (size_t)__builtin_popcount(bits);
  }
}

static void expand_f32(const float *values, size_t count, const uint8_t *mask, size_t columns, float *y) {
  for (size_t j = 0, k = 0; j < columns; j += 8) {
    uint64_t bytes = bytes_of(mask[j / 8]);
    __m256i from = _mm256_cvtepu8_epi32(_mm_cvtsi64_si128((long long)_pdep_u64(ranks, bytes)));
    __m256i kept = _mm256_cvtepi8_epi32(_mm_cvtsi64_si128((long long)bytes));
    __m256 v = _mm256_permutevar8x32_ps(load(values + k, count - k), from);
    store(y + j, columns - j, _mm256_and_ps(v, _mm256_castsi256_ps(kept)));
    k += (size_t)__builtin_popcount(mask[j / 8]);
  }
}

void ck_compress_row_s8_avx2(const int8_t *x, const uint8_t *mask, size_t columns, int8_t *values, size_t count) {
  for (size_t j = 0, k = 0; j < columns; j += 8) {
    store_bytes(values + k, count - k, _pext_u64(load_bytes(x + j, columns - j), bytes_of(mask[j / 8])));
    k += (size_t)__builtin_popcount(mask[j / 8]);
  }
}

void ck_expand_row_s8_avx2(const int8_t *values, size_t count, const uint8_t *mask, size_t columns, int8_t *y) {
  for (size_t j = 0, k = 0; j < columns; j += 8) {
    store_bytes(y + j, columns - j, _pdep_u64(load_bytes(values + k, count - k), bytes_of(mask[j / 8])));
    k += (size_t)__builtin_popcount(mask[j / 8]);
  }
}

static void apply_f32(const uint8_t *mask, size_t columns, float *y) {
  const __m256i bit = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
  for (size_t j = 0; j < columns; j += 8) {
    __m256i kept = _mm256_cmpeq_epi32(_mm256_and_si256(_mm256_set1_epi32(mask[j / 8]), bit), bit);
    store(y + j, columns - j, _mm256_and_ps(load(y + j, columns - j), _mm256_castsi256_ps(kept)));
  }
}

const ck_bitmask_kernels ck_bitmask_avx2 = {
    mask_f32, mask_s8, compress_f32, ck_compress_row_s8_avx2, expand_f32, ck_expand_row_s8_avx2, apply_f32,
};
CK_TARGET_END
#endif
