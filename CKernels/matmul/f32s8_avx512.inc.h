// The tile of A in f32 times 8-bit weights, and the packing of both. Include inside CK_TARGET_BEGIN(...).
#include "matmul/quads_avx512.inc.h"
#define CK_UNIT_BYTES 128
#define CK_UNIT_GROUPS 4
CK_INLINE __m512i ck_load_b(const char *p, size_t v, size_t group) {
  return _mm512_castps_si512(ck_quad_f32(_mm512_loadu_si512(p + 64 * v), group));
}
CK_INLINE __m512i ck_dot(__m512i sum, __m512i a, __m512i b) {
  return _mm512_castps_si512(_mm512_fmadd_ps(_mm512_castsi512_ps(a), _mm512_castsi512_ps(b), _mm512_castsi512_ps(sum)));
}
#include "matmul/tile_avx512.inc.h"
#include "matmul/quads_pack_avx512.inc.h"

// A's part of the last unit, past the end of K.
CK_INLINE void ck_quad_fill(float *panel, size_t rows, size_t depth) {
  memset(panel + depth * rows, 0, (ck_round_up(depth, CK_QUAD) - depth) * rows * sizeof(float));
}

static void expand(void *to, const void *panel, size_t units) {
  const char *from = panel;
  float *wide = to;
  for (size_t u = 0; u < units; u++, from += CK_UNIT_BYTES) {
    __builtin_prefetch(from + 2048);
    __builtin_prefetch(from + 2112);
#pragma clang loop unroll(full)
    for (size_t g = 0; g < CK_UNIT_GROUPS; g++, wide += CK_NR) {
      _mm512_storeu_si512(wide, ck_load_b(from, 0, g));
      _mm512_storeu_si512(wide + 16, ck_load_b(from, 1, g));
    }
  }
}

extern const ck_matmul_kernel ck_matmul_f32_avx512;
