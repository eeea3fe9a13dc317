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
