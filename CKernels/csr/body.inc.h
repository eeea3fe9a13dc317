// The kernels of sparse products at each width: A into panels, the sums of a slice, sums back into rows.
#include "vector/math.inc.h"

#include "vector/typed.inc.h"

// r[i][j] = r[j][i]. A step moves the highest bit of an element's row to the end of its lane and the highest bit of the
// lane to the end of the row; after as many steps as there are bits, they have changed places.
CK_VECTOR void CK_NAME(csr_transpose)(vfloat r[CK_LANES]) {
#pragma clang loop unroll(full)
  for (int bit = 1; bit < CK_LANES; bit *= 2) {
    vfloat t[CK_LANES];
#pragma clang loop unroll(full)
    for (int i = 0; i < CK_LANES / 2; i++) {
      vfloat a = r[i], b = r[i + CK_LANES / 2];
#if CK_LANES == 16
      t[2 * i] = __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
      t[2 * i + 1] = __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
#elif CK_LANES == 8
      t[2 * i] = __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
      t[2 * i + 1] = __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
#else
      t[2 * i] = __builtin_shufflevector(a, b, 0, 4, 1, 5);
      t[2 * i + 1] = __builtin_shufflevector(a, b, 2, 6, 3, 7);
#endif
    }
#pragma clang loop unroll(full)
    for (int i = 0; i < CK_LANES; i++) r[i] = t[i];
  }
}

// Columns k ..< k + count of up to CK_LANES rows of A into as many rows of a panel. Missing rows become zeros.
CK_VECTOR void CK_NAME(csr_pack_square)(const csr_left *a, size_t rows, size_t k, size_t count, float *panel,
                                        ck_type type) {
  vfloat r[CK_LANES];
  const size_t element = ck_bytes_of(type);
#pragma clang loop unroll(full)
  for (size_t i = 0; i < CK_LANES; i++) {
    const char *row = a->data + (i * a->stride + k) * element;
    r[i] = i >= rows           ? (vfloat)(0.0f)
           : count == CK_LANES ? vload_as(row, 0, type)
                               : vload_part_as(row, 0, count, 0, type);
  }
  CK_NAME(csr_transpose)(r);
  if (count == CK_LANES) {
#pragma clang loop unroll(full)
    for (size_t i = 0; i < CK_LANES; i++) vstore(panel + i * CSR_TOKENS, r[i]);
  } else {
#pragma clang loop unroll(full)
    for (size_t i = 0; i < CK_LANES; i++)
      if (i < count) vstore(panel + i * CSR_TOKENS, r[i]);
  }
}

CK_VECTOR void CK_NAME(csr_pack_as)(const csr_left *a, size_t rows, size_t depth, float *panel, ck_type type) {
  csr_left from = *a;
  for (size_t i = 0; i < rows; i += CK_LANES, panel += CK_LANES) {
    const size_t count = ck_min(CK_LANES, rows - i);
    size_t k = 0;
    if (count == CK_LANES)
      for (; k + CK_LANES <= depth; k += CK_LANES)
        CK_NAME(csr_pack_square)(&from, CK_LANES, k, CK_LANES, panel + k * CSR_TOKENS, type);
    for (; k < depth; k += CK_LANES)
      CK_NAME(csr_pack_square)(&from, count, k, ck_min(CK_LANES, depth - k), panel + k * CSR_TOKENS, type);
    from.data += CK_LANES * a->stride * ck_bytes_of(type);
  }
}

// Whole vectors of tokens; row `zeros` of the panel becomes zeros.
static void CK_NAME(csr_pack)(const csr_left *a, size_t rows, size_t depth, size_t zeros, float *panel) {
  if (a->type == CK_BF16)
    CK_NAME(csr_pack_as)(a, rows, depth, panel, CK_BF16);
  else
    CK_NAME(csr_pack_as)(a, rows, depth, panel, CK_F32);
  for (size_t i = 0; i < CSR_TOKENS; i += CK_LANES) vstore(panel + zeros * CSR_TOKENS + i, (vfloat)(0.0f));
}

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
