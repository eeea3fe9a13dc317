#include "runtime/isa.h"
#include "probe/probe.h"
#include "runtime/target.h"
#if defined(__x86_64__)
#include <immintrin.h>
enum { ACCUMULATORS = 12 };

CK_TARGET_BEGIN(CK_TARGET_AVX2)
float ck_probe_f32_avx2(uint64_t iterations, float seed) {
  __m256 sum[ACCUMULATORS];
  const __m256 x = _mm256_set1_ps(seed), y = _mm256_set1_ps(1 - seed);
#pragma clang loop unroll(full)
  for (int i = 0; i < ACCUMULATORS; i++) sum[i] = _mm256_set1_ps(seed * (float)i);
  for (uint64_t n = 0; n < iterations; n++) {
#pragma clang loop unroll(full)
    for (int i = 0; i < ACCUMULATORS; i++) sum[i] = _mm256_fmadd_ps(x, y, sum[i]);
  }
  __m256 total = _mm256_setzero_ps();
  for (int i = 0; i < ACCUMULATORS; i++) total = _mm256_add_ps(total, sum[i]);
  return total[0] + total[1] + total[2] + total[3] + total[4] + total[5] + total[6] + total[7];
}

// Exact int8 without VNNI goes through 16-bit pairs: one vpmaddwd and one vpaddd for 16 multiply-adds.
float ck_probe_s8_avx2(uint64_t iterations, float seed) {
  __m256i sum[ACCUMULATORS], x = _mm256_set1_epi16((short)(seed * 100)), y = _mm256_set1_epi16((short)(seed * 70));
#pragma clang loop unroll(full)
  for (int i = 0; i < ACCUMULATORS; i++) sum[i] = _mm256_set1_epi32(i);
  for (uint64_t n = 0; n < iterations; n++) {
    // The product is hidden from the optimiser, which would otherwise hoist it out of the loop.
    __asm__ volatile("" : "+x"(x), "+x"(y));
#pragma clang loop unroll(full)
    for (int i = 0; i < ACCUMULATORS; i++) {
      __m256i product;
      __asm__ volatile("vpmaddwd %1, %2, %0" : "=x"(product) : "x"(x), "x"(y));
      sum[i] = _mm256_add_epi32(sum[i], product);
    }
  }
  __m256i total = _mm256_setzero_si256();
  for (int i = 0; i < ACCUMULATORS; i++) total = _mm256_xor_si256(total, sum[i]);
  return (float)_mm256_extract_epi32(total, 3);
}
CK_TARGET_END
#endif
