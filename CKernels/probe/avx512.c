// 24 independent accumulators cover 4 to 5 cycles of latency on two ports.
#include "runtime/isa.h"
#include "probe/probe.h"
#include "runtime/target.h"
#if defined(__x86_64__)
#include <immintrin.h>
enum { ACCUMULATORS = 24 };

CK_TARGET_BEGIN(CK_TARGET_AVX512)
float ck_probe_f32_avx512(uint64_t iterations, float seed) {
  __m512 sum[ACCUMULATORS];
  const __m512 x = _mm512_set1_ps(seed), y = _mm512_set1_ps(1 - seed);
#pragma clang loop unroll(full)
  for (int i = 0; i < ACCUMULATORS; i++) sum[i] = _mm512_set1_ps(seed * (float)i);
  for (uint64_t n = 0; n < iterations; n++) {
#pragma clang loop unroll(full)
    for (int i = 0; i < ACCUMULATORS; i++) sum[i] = _mm512_fmadd_ps(x, y, sum[i]);
  }
  float total = 0;
  for (int i = 0; i < ACCUMULATORS; i++) total += _mm512_reduce_add_ps(sum[i]);
  return total;
}
CK_TARGET_END

CK_TARGET_BEGIN(CK_TARGET_AVX512VNNI)
float ck_probe_s8_avx512vnni(uint64_t iterations, float seed) {
  __m512i sum[ACCUMULATORS];
  const __m512i x = _mm512_set1_epi32((int)(seed * 1000)), y = _mm512_set1_epi32((int)(seed * 77));
#pragma clang loop unroll(full)
  for (int i = 0; i < ACCUMULATORS; i++) sum[i] = _mm512_set1_epi32(i);
  for (uint64_t n = 0; n < iterations; n++) {
#pragma clang loop unroll(full)
    for (int i = 0; i < ACCUMULATORS; i++) sum[i] = _mm512_dpbusd_epi32(sum[i], x, y);
  }
  int total = 0;
  for (int i = 0; i < ACCUMULATORS; i++) total ^= _mm512_reduce_add_epi32(sum[i]);
  return (float)total;
}
CK_TARGET_END

CK_TARGET_BEGIN(CK_TARGET_AVX512BF16)
float ck_probe_bf16_avx512bf16(uint64_t iterations, float seed) {
  __m512 sum[ACCUMULATORS];
  const __m512bh x = _mm512_cvtne2ps_pbh(_mm512_set1_ps(seed), _mm512_set1_ps(seed)),
                 y = _mm512_cvtne2ps_pbh(_mm512_set1_ps(1 - seed), _mm512_set1_ps(seed));
#pragma clang loop unroll(full)
  for (int i = 0; i < ACCUMULATORS; i++) sum[i] = _mm512_set1_ps(seed * (float)i);
  for (uint64_t n = 0; n < iterations; n++) {
#pragma clang loop unroll(full)
    for (int i = 0; i < ACCUMULATORS; i++) sum[i] = _mm512_dpbf16_ps(sum[i], x, y);
  }
  float total = 0;
  for (int i = 0; i < ACCUMULATORS; i++) total += _mm512_reduce_add_ps(sum[i]);
  return total;
}
CK_TARGET_END
#endif
