// The kernels of gradients with respect to sparse weights at each width: rows into panels, dot products over tokens.
#include "vector/math.inc.h"

#include "vector/typed.inc.h"

#include "csr/panel.inc.h"

// Vectors of tokens that are multiplied before lanes are added: their dY stays in registers for four outputs.
#if CK_LANES == 16
#define CSR_VECTORS 4
#else
#define CSR_VECTORS 2
#endif

// Lane i of the result: the sum of v[i % 4]'s lanes j with j mod (lanes / 4) == i / 4. One level of a tree for two
// vectors at a time costs one shuffle.
CK_VECTOR vfloat CK_NAME(csr_fold)(const vfloat v[CSR_OUTPUTS]) {
#if CK_LANES == 16
  vfloat a = __builtin_shufflevector(v[0], v[1], 0, 1, 18, 19, 4, 5, 22, 23, 8, 9, 26, 27, 12, 13, 30, 31) +
             __builtin_shufflevector(v[0], v[1], 2, 3, 16, 17, 6, 7, 20, 21, 10, 11, 24, 25, 14, 15, 28, 29);
  vfloat b = __builtin_shufflevector(v[2], v[3], 0, 1, 18, 19, 4, 5, 22, 23, 8, 9, 26, 27, 12, 13, 30, 31) +
             __builtin_shufflevector(v[2], v[3], 2, 3, 16, 17, 6, 7, 20, 21, 10, 11, 24, 25, 14, 15, 28, 29);
  return __builtin_shufflevector(a, b, 0, 2, 16, 18, 4, 6, 20, 22, 8, 10, 24, 26, 12, 14, 28, 30) +
         __builtin_shufflevector(a, b, 1, 3, 17, 19, 5, 7, 21, 23, 9, 11, 25, 27, 13, 15, 29, 31);
#elif CK_LANES == 8
  vfloat a = __builtin_shufflevector(v[0], v[1], 0, 1, 10, 11, 4, 5, 14, 15) +
             __builtin_shufflevector(v[0], v[1], 2, 3, 8, 9, 6, 7, 12, 13);
  vfloat b = __builtin_shufflevector(v[2], v[3], 0, 1, 10, 11, 4, 5, 14, 15) +
             __builtin_shufflevector(v[2], v[3], 2, 3, 8, 9, 6, 7, 12, 13);
  return __builtin_shufflevector(a, b, 0, 2, 8, 10, 4, 6, 12, 14) +
         __builtin_shufflevector(a, b, 1, 3, 9, 11, 5, 7, 13, 15);
#else
  vfloat a = __builtin_shufflevector(v[0], v[1], 0, 1, 6, 7) + __builtin_shufflevector(v[0], v[1], 2, 3, 4, 5);
  vfloat b = __builtin_shufflevector(v[2], v[3], 0, 1, 6, 7) + __builtin_shufflevector(v[2], v[3], 2, 3, 4, 5);
  return __builtin_shufflevector(a, b, 0, 2, 4, 6) + __builtin_shufflevector(a, b, 1, 3, 5, 7);
#endif
}

typedef float CK_NAME(csr_four) __attribute__((ext_vector_type(4)));

// sums[i] += the sum of v[i]'s lanes, in a tree.
CK_VECTOR void CK_NAME(csr_add_sums)(const vfloat v[CSR_OUTPUTS], float *sums) {
  const vfloat all = CK_NAME(csr_fold)(v);
#if CK_LANES == 16
  __m256 half = _mm256_add_ps(_mm512_castps512_ps256((__m512)all), _mm512_extractf32x8_ps((__m512)all, 1));
  __m128 four = _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
  _mm_storeu_ps(sums, _mm_add_ps(_mm_loadu_ps(sums), four));
#elif CK_LANES == 8
  __m128 four = _mm_add_ps(_mm256_castps256_ps128((__m256)all), _mm256_extractf128_ps((__m256)all, 1));
  _mm_storeu_ps(sums, _mm_add_ps(_mm_loadu_ps(sums), four));
#else
  vstore(sums, vload(sums) + all);
#endif
}

// sums[step][lane] += the dot products of a slice over the tokens of `vectors` vectors, vector v of which is at[v]
// bytes from the start of x and dy[v] floats from that of dy. What bounds it is the multiply-adds, which each load from
// the panel of X, and the trees.
CK_VECTOR void CK_NAME(csr_dot_vectors)(const csr_pattern *pattern, const char *const x[CSR_VECTORS],
                                        const float *const dy[CSR_VECTORS], float *sums, const int vectors) {
  const char *offsets = pattern->offsets;
  const uint16_t *outputs = pattern->outputs;
  for (size_t g = 0; g < pattern->groups; g++, outputs += CSR_OUTPUTS) {
    vfloat d[CSR_OUTPUTS][CSR_VECTORS];
#pragma clang loop unroll(full)
    for (int i = 0; i < CSR_OUTPUTS; i++)
#pragma clang loop unroll(full)
      for (int v = 0; v < vectors; v++) d[i][v] = vload(dy[v] + outputs[i] * CSR_TOKENS);
    // Outputs of a range come in an order that no prefetcher sees through.
    if (g + CSR_AHEAD < pattern->groups) {
#pragma clang loop unroll(full)
      for (int i = 0; i < CSR_OUTPUTS; i++)
#pragma clang loop unroll(full)
        for (int v = 0; v < vectors; v++) __builtin_prefetch(dy[v] + outputs[CSR_AHEAD * CSR_OUTPUTS + i] * CSR_TOKENS);
    }
    for (size_t length = pattern->lengths[g]; length; length--, offsets += pattern->step_bytes, sums += CSR_OUTPUTS) {
      vfloat s[CSR_OUTPUTS];
      uint64_t four; // one load for four addresses
      __builtin_memcpy(&four, offsets, sizeof four);
#pragma clang loop unroll(full)
      for (int i = 0; i < CSR_OUTPUTS; i++, four >>= 16) {
        const size_t offset = (uint16_t)four;
        s[i] = d[i][0] * vload((const float *)(x[0] + offset));
#pragma clang loop unroll(full)
        for (int v = 1; v < vectors; v++) s[i] = vfma(d[i][v], vload((const float *)(x[v] + offset)), s[i]);
      }
      CK_NAME(csr_add_sums)(s, sums);
    }
  }
}

static void CK_NAME(csr_dots)(const csr_pattern *pattern, csr_panels x, csr_panels dy, size_t tokens, float *sums) {
  for (size_t t = 0; t < tokens; t += CSR_VECTORS * CK_LANES) {
    const char *xs[CSR_VECTORS];
    const float *dys[CSR_VECTORS];
#pragma clang loop unroll(full)
    for (size_t v = 0; v < CSR_VECTORS; v++) {
      const size_t token = t + v * CK_LANES, panel = token / CSR_TOKENS, lane = token % CSR_TOKENS;
      xs[v] = (const char *)(x.start + panel * x.stride + lane);
      dys[v] = dy.start + panel * dy.stride + lane;
    }
    const size_t vectors = ck_min(ck_ceil_div(tokens - t, CK_LANES), CSR_VECTORS);
    if (vectors == 1) CK_NAME(csr_dot_vectors)(pattern, xs, dys, sums, 1);
    if (vectors == 2) CK_NAME(csr_dot_vectors)(pattern, xs, dys, sums, 2);
#if CK_LANES == 16
    if (vectors == 3) CK_NAME(csr_dot_vectors)(pattern, xs, dys, sums, 3);
    if (vectors == 4) CK_NAME(csr_dot_vectors)(pattern, xs, dys, sums, 4);
#endif
  }
}
#undef CSR_VECTORS

static const csr_gradient_kernels CK_NAME(csr_gradient_of) = {CK_NAME(csr_pack), CK_NAME(csr_dots)};
