// bf16 x 4 bits on AVX2: 6 x 8, both sides widened to f32, one chain of vfmadd231ps for a group.
#include "matmul/types.h"
#if defined(__x86_64__)
#include "runtime/target.h"
#include <immintrin.h>
CK_TARGET_BEGIN(CK_TARGET_AVX2)
#include "matmul/s4_avx2.inc.h"
#include "matmul/bf16_hooks_avx2.inc.h"
#include "matmul/wide_a_avx2.inc.h"

static const uint8_t place[8] = {0, 1, 2, 3, 4, 5, 6, 7};

CK_INLINE void ck_tile_body(const ck_matmul_tile *tile, const size_t rows, const size_t group, const bool zeros) {
  const size_t unit_bytes = CK_S4_UNIT_BYTES(CK_NR, group, zeros);
  const char *a = tile->a, *b = tile->b;
  const __m256i low = _mm256_set1_epi32(15);
  __m256 c[CK_MR];
  ck_load_tile(c, tile, rows);
#pragma clang loop unroll(disable)
  for (size_t u = 0; u < tile->units; u++, b += unit_bytes) {
    const __m128i *points = (const __m128i *)(b + CK_NR * 2);
    const __m256i zero = zeros ? _mm256_cvtepu16_epi32(_mm_loadu_si128(points)) : _mm256_set1_epi32(8);
    const char *w = b + CK_S4_HEAD_BYTES(CK_NR, zeros);
    __m256 sum[CK_MR];
#pragma clang loop unroll(full)
    for (size_t i = 0; i < rows; i++) sum[i] = _mm256_setzero_ps();
#pragma clang loop unroll(disable)
    for (size_t k = 0; k < group; k += 8, a += 32 * rows, w += 32) {
      const __m256i all = _mm256_loadu_si256((const __m256i *)w);
      __builtin_prefetch(w + ck_stream_ahead(rows), 0, 2);
#pragma clang loop unroll(full)
      for (int s = 0; s < 8; s++) {
        const __m256i q = _mm256_and_si256(_mm256_srli_epi32(all, 4 * s), low);
        const __m256 value = _mm256_cvtepi32_ps(_mm256_sub_epi32(q, zero));
#pragma clang loop unroll(full)
        for (size_t i = 0; i < rows; i++) {
          const __m256 av = _mm256_castsi256_ps(ck_broadcast(a + ((size_t)s * rows + i) * 4));
          sum[i] = _mm256_fmadd_ps(value, av, sum[i]);
        }
      }
    }
    const __m256 scale = _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)b));
#pragma clang loop unroll(full)
    for (size_t i = 0; i < rows; i++) c[i] = _mm256_fmadd_ps(scale, sum[i], c[i]);
  }
  ck_store_tile(c, tile, rows);
}

CK_INLINE void ck_pack_b(void *panel, const ck_matmul_source *source, size_t first, size_t columns, size_t from,
                         size_t depth, const size_t group, const bool zeros) {
  ck_s4_pack_b(panel, source, first, columns, from, depth, CK_NR, group, zeros, place);
}
#define KERNEL(name, size, zeros)                                                                                      \
  CK_S4_FUNCTIONS(name, size, zeros, CK_S4_ROWS_6)                                                                     \
  CK_S4_KERNEL(name, avx2, size, zeros, .kgroup = 1, .a_bytes = 4, .rate = 20,                                         \
               .pack_a = {[CK_BF16] = pack_a, [CK_F32] = pack_a_f32})
CK_S4_FOUR(KERNEL, bf16)
CK_TARGET_END
#endif
