// s8 x 4 bits on AVX2: 6 x 8. vpmaddubsw multiplies unsigned by signed and adds two products in 16 bits; with nibbles
// on the unsigned side these are within 2 * 15 * 128 = 3840, so that eight of them fit before vpmaddwd widens them:
// exact.
#include "matmul/types.h"
#if defined(__x86_64__)
#include "runtime/target.h"
#include <immintrin.h>
CK_TARGET_BEGIN(CK_TARGET_AVX2)
#include "matmul/s4_rows.inc.h"
#include "matmul/s4_avx2.inc.h"

// Byte b of a dword holds steps b and 4 + b.
static const uint8_t place[8] = {0, 2, 4, 6, 1, 3, 5, 7};

CK_INLINE void ck_tile_body(const ck_matmul_tile *tile, const size_t rows, const size_t group, const bool zeros) {
  const size_t units = tile->units, unit_bytes = CK_S4_UNIT_BYTES(CK_NR, group, zeros);
  const char *a = tile->a, *b = tile->b, *extra = a + units * group * rows;
  const __m256i low = _mm256_set1_epi8(15), one = _mm256_set1_epi16(1);
  __m256 c[CK_MR];
  ck_load_tile(c, tile, rows);
#pragma clang loop unroll(disable)
  for (size_t u = 0; u < units; u++, extra += rows * 4, b += unit_bytes) {
    const __m128i *points = (const __m128i *)(b + CK_NR * 2);
    const __m256i zero = zeros ? _mm256_cvtepu16_epi32(_mm_loadu_si128(points)) : _mm256_setzero_si256();
    const char *w = b + CK_S4_HEAD_BYTES(CK_NR, zeros);
    __m256i sum[CK_MR];
#pragma clang loop unroll(full)
    for (size_t i = 0; i < rows; i++) {
      const __m256i start = ck_broadcast(extra + i * 4);
      sum[i] = zeros ? _mm256_madd_epi16(start, zero) : start;
    }
#pragma clang loop unroll(disable)
    for (size_t k = 0; k < group; k += 32, a += 32 * rows, w += 4 * 32) {
      __m256i pairs[CK_MR];
#pragma clang loop unroll(full)
      for (size_t v = 0; v < 4; v++) {
        const __m256i both = _mm256_loadu_si256((const __m256i *)(w + v * 32));
        const __m256i q[2] = {_mm256_and_si256(both, low), _mm256_and_si256(_mm256_srli_epi32(both, 4), low)};
        __builtin_prefetch(w + v * 32 + ck_stream_ahead(rows), 0, 2);
#pragma clang loop unroll(full)
        for (size_t h = 0; h < 2; h++)
#pragma clang loop unroll(full)
          for (size_t i = 0; i < rows; i++) {
            const __m256i product = _mm256_maddubs_epi16(q[h], ck_broadcast(a + ((v * 2 + h) * rows + i) * 4));
            pairs[i] = v + h == 0 ? product : _mm256_add_epi16(pairs[i], product);
          }
      }
#pragma clang loop unroll(full)
      for (size_t i = 0; i < rows; i++) sum[i] = _mm256_add_epi32(sum[i], _mm256_madd_epi16(pairs[i], one));
    }
    const __m256 scale = _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)b));
#pragma clang loop unroll(full)
    for (size_t i = 0; i < rows; i++) c[i] = _mm256_fmadd_ps(scale, _mm256_cvtepi32_ps(sum[i]), c[i]);
  }
  ck_store_tile(c, tile, rows);
}

CK_INLINE void ck_pack_b(void *panel, const ck_matmul_source *source, size_t first, size_t columns, size_t from,
                         size_t depth, const size_t group, const bool zeros) {
  ck_s4_pack_b(panel, source, first, columns, from, depth, CK_NR, group, zeros, place);
}
CK_INLINE void ck_pack_a(void *panel, void *extra, const ck_matmul_source *source, size_t first, size_t rows,
                         size_t from, size_t depth, const ck_type type, const size_t group, const bool zeros) {
  ck_s4_pack_a_s8(panel, extra, source, first, rows, from, depth, type, group, zeros);
}

#define KERNEL(name, size, zeros)                                                                                      \
  CK_S4_FUNCTIONS(name, size, zeros, CK_S4_ROWS_6)                                                                     \
  CK_S4_PACK_A(name, s8, CK_S8, size, zeros)                                                                           \
  CK_S4_PACK_A(name, f32, CK_F32, size, zeros)                                                                         \
  CK_S4_KERNEL(name, avx2, size, zeros, .kgroup = 4, .a_bytes = 1, .a_extra = 4, .rate = 60,                           \
               .pack_a = {[CK_S8] = name##_pack_a_s8, [CK_F32] = name##_pack_a_f32},                                   \
               .row_scale = ck_quantization_row_scale)
CK_S4_FOUR(KERNEL, s8)
CK_TARGET_END
#endif
