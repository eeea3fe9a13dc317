// The kernels of sparse products at each width: the sums of a slice, sums back into rows.
#include "vector/math.inc.h"

#include "vector/typed.inc.h"

#include "csr/panel.inc.h"

// The four values of a step, each in all lanes. With AVX-512 from one load by shuffles, which have a port to spare:
// loads have none. The compiler would make four loads of it.
CK_VECTOR void CK_NAME(csr_values)(const csr_step *step, vfloat values[CSR_OUTPUTS]) {
#if CK_LANES == 16
  __m512 all = _mm512_broadcast_f32x4(_mm_loadu_ps(step->values));
  __asm__("" : "+v"(all));
  values[0] = (vfloat)_mm512_permute_ps(all, 0x00);
  values[1] = (vfloat)_mm512_permute_ps(all, 0x55);
  values[2] = (vfloat)_mm512_permute_ps(all, 0xaa);
  values[3] = (vfloat)_mm512_permute_ps(all, 0xff);
#else
  for (int i = 0; i < CSR_OUTPUTS; i++) values[i] = step->values[i];
#endif
}

// sums[output][token] += a slice of W times a panel, for `vectors` (1 or 2) neighbouring vectors of tokens: chains of
// four outputs. What bounds it is loads: one of A for each multiply-add.
CK_VECTOR void CK_NAME(csr_multiply_vectors)(const csr_groups *groups, const char *panel, float *sums,
                                             const int vectors) {
  const csr_step *step = groups->steps;
  const uint16_t *outputs = groups->outputs;
  const char *ahead = groups->ahead;
  for (size_t g = 0; g < groups->count; g++, outputs += CSR_OUTPUTS) {
    vfloat s[CSR_OUTPUTS][2];
#pragma clang loop unroll(full)
    for (int i = 0; i < CSR_OUTPUTS; i++)
#pragma clang loop unroll(full)
      for (int v = 0; v < vectors; v++) s[i][v] = vload(sums + outputs[i] * CSR_TOKENS + v * CK_LANES);
    // The sums of a range fill the second-level cache, in an order that no prefetcher sees through.
    if (g + CSR_AHEAD < groups->count) {
#pragma clang loop unroll(full)
      for (int i = 0; i < CSR_OUTPUTS; i++)
#pragma clang loop unroll(full)
        for (int v = 0; v < vectors; v++)
          __builtin_prefetch(sums + outputs[CSR_AHEAD * CSR_OUTPUTS + i] * CSR_TOKENS + v * CK_LANES, 1);
    }
    for (size_t line = 0; line < groups->ahead_step; line += 64) __builtin_prefetch(ahead + line, 0, 2);
    ahead += groups->ahead_step;
    for (size_t length = groups->lengths[g]; length; length--, step++) {
      // Few tokens: the steps come from memory. With more there is no load to spare, and they mostly come from a cache.
      if (vectors == 1) __builtin_prefetch((const char *)step + CSR_STEPS_AHEAD);
      vfloat values[CSR_OUTPUTS];
      CK_NAME(csr_values)(step, values);
      uint64_t offsets; // one load for four addresses
      __builtin_memcpy(&offsets, step->offsets, sizeof offsets);
#pragma clang loop unroll(full)
      for (int i = 0; i < CSR_OUTPUTS; i++, offsets >>= 16) {
        const float *a = (const float *)(panel + (uint16_t)offsets);
#pragma clang loop unroll(full)
        for (int v = 0; v < vectors; v++) s[i][v] = vfma(values[i], vload(a + v * CK_LANES), s[i][v]);
      }
    }
#pragma clang loop unroll(full)
    for (int i = 0; i < CSR_OUTPUTS; i++)
#pragma clang loop unroll(full)
      for (int v = 0; v < vectors; v++) vstore(sums + outputs[i] * CSR_TOKENS + v * CK_LANES, s[i][v]);
  }
}

static void CK_NAME(csr_multiply)(const csr_groups *groups, const float *panel, float *sums, size_t tokens) {
  size_t t = 0;
  for (; t + CK_LANES < tokens; t += 2 * CK_LANES)
    CK_NAME(csr_multiply_vectors)(groups, (const char *)(panel + t), sums + t, 2);
  if (t < tokens) CK_NAME(csr_multiply_vectors)(groups, (const char *)(panel + t), sums + t, 1);
}

// rows[token][output] = sums[output][token], whole squares.
static void CK_NAME(csr_turn)(const float *sums, size_t tokens, size_t outputs, float *rows, size_t stride) {
  for (size_t t = 0; t < tokens; t += CK_LANES)
    for (size_t j = 0; j < outputs; j += CK_LANES) {
      vfloat r[CK_LANES];
#pragma clang loop unroll(full)
      for (size_t i = 0; i < CK_LANES; i++) r[i] = vload(sums + (j + i) * CSR_TOKENS + t);
      CK_NAME(csr_transpose)(r);
#pragma clang loop unroll(full)
      for (size_t i = 0; i < CK_LANES; i++) vstore(rows + (t + i) * stride + j, r[i]);
    }
}

static const csr_kernels CK_NAME(csr_of) = {CK_NAME(csr_pack), CK_NAME(csr_multiply), CK_NAME(csr_turn)};
