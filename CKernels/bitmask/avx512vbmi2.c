// Bytes, sixty-four columns at a time, by the compress and expand of VBMI2 in registers.
#if defined(__x86_64__)
#include <immintrin.h>

#include "bitmask/kernels.h"
#include "runtime/target.h"
#include "runtime/worker.h"
CK_TARGET_BEGIN(CK_TARGET_AVX512VBMI2)

// The first n of 64 lanes.
static inline __mmask64 lanes(size_t n) { return n >= 64 ? ~0ull : (1ull << n) - 1; }
static inline uint64_t bits_at(const uint8_t *mask, size_t j, size_t n) {
  uint64_t bits = 0;
  if (n >= 64)
    __builtin_memcpy(&bits, mask + j / 8, 8);
  else
    __builtin_memcpy(&bits, mask + j / 8, ck_ceil_div(n, 8));
  return bits;
}

static void compress_s8(const int8_t *x, const uint8_t *mask, size_t columns, int8_t *values, size_t count) {
  for (size_t j = 0, k = 0; j < columns; j += 64) {
    uint64_t bits = bits_at(mask, j, columns - j);
    __m512i v = _mm512_maskz_loadu_epi8(lanes(columns - j), x + j);
    _mm512_mask_storeu_epi8(values + k, lanes(count - k), _mm512_maskz_compress_epi8(bits, v));
    k += (size_t)__builtin_popcountll(bits);
  }
}

static void expand_s8(const int8_t *values, size_t count, const uint8_t *mask, size_t columns, int8_t *y) {
  for (size_t j = 0, k = 0; j < columns; j += 64) {
    uint64_t bits = bits_at(mask, j, columns - j);
    __m512i v = _mm512_maskz_loadu_epi8(lanes(count - k), values + k);
    _mm512_mask_storeu_epi8(y + j, lanes(columns - j), _mm512_maskz_expand_epi8(bits, v));
    k += (size_t)__builtin_popcountll(bits);
  }
}

const ck_bitmask_kernels ck_bitmask_avx512vbmi2 = {
    ck_mask_row_f32_avx512,     ck_mask_row_s8_avx512,
    ck_compress_row_f32_avx512, compress_s8,
    ck_expand_row_f32_avx512,   expand_s8,
    ck_apply_row_f32_avx512,
};
CK_TARGET_END
#endif
