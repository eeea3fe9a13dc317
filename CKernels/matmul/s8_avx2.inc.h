// Products of 8-bit integers on AVX2, exact: pairs are widened to s16, A's when packed and B's when loaded (its panels
// keep a byte an element), and vpmaddwd adds two products in 32 bits. (vpmaddubsw would be twice as fast, and
// saturates: 255 * 127 * 2 does not fit s16.) Include inside CK_TARGET_BEGIN(...).
#include <immintrin.h>
#define CK_UNIT_BYTES 32
CK_INLINE __m256i ck_load_b(const char *p, size_t v) {
  return _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(p + 16 * v)));
}
CK_INLINE __m256i ck_dot(__m256i sum, __m256i a, __m256i b) { return _mm256_add_epi32(sum, _mm256_madd_epi16(a, b)); }
#include "matmul/tile_avx2.inc.h"

enum { GROUP = 2 };

// `rows` bytes at p, the rest zero; from 4 on as two loads that may overlap.
CK_INLINE int64_t load_rows(const char *p, size_t rows) {
  uint64_t bytes = 0;
  if (rows >= 4) {
    uint32_t low, high;
    memcpy(&low, p, sizeof low);
    memcpy(&high, p + rows - 4, sizeof high);
    bytes = low | (uint64_t)high << 8 * (rows - 4);
  } else
    for (size_t i = 0; i < rows; i++) bytes |= (uint64_t)(uint8_t)p[i] << 8 * i;
  return (int64_t)bytes;
}

// Two bytes of a row are a unit of s16; load widens them.
CK_INLINE void pack_bytes_a(void *panel, const ck_matmul_source *source, size_t first, size_t rows, size_t from,
                            size_t depth, ck_units8 *load) {
  const char *at = source->data + first * source->stride + from * source->k_stride;
  if (source->k_stride == 1) return ck_pack_a_rows(panel, at, source->stride, rows, depth, GROUP, load);
  // [k, m]: the rows of one step of K stand side by side.
  char *to = panel;
  for (size_t k = 0; k < depth; k += GROUP, at += GROUP * source->k_stride, to += rows * GROUP * 2) {
    const __m128i even = _mm_cvtsi64_si128(load_rows(at, rows));
    const __m128i odd = _mm_cvtsi64_si128(k + 1 < depth ? load_rows(at + source->k_stride, rows) : 0);
    char pairs[16];
    _mm_storeu_si128((__m128i *)pairs, _mm_unpacklo_epi8(even, odd));
    _mm256_storeu_si256((__m256i *)to, load(pairs));
  }
}

// The first `columns` bytes at p, the rest zero.
CK_INLINE __m128i load_columns(const char *p, size_t columns) {
  if (columns == CK_NR) return _mm_loadu_si128((const __m128i *)p);
  char copy[CK_NR] = {0};
  memcpy(copy, p, columns);
  return _mm_loadu_si128((const __m128i *)copy);
}

static void pack_b(void *panel, void *extra, const ck_matmul_source *source, size_t first, size_t columns, size_t from,
                   size_t depth) {
  const char *at = source->data + first * source->stride + from * source->k_stride;
  char *to = panel;
  if (source->k_stride != 1) {
    const __m128i none = _mm_setzero_si128();
    for (size_t k = 0; k < depth; k += GROUP, at += GROUP * source->k_stride, to += CK_UNIT_BYTES) {
      const __m128i even = load_columns(at, columns);
      const __m128i odd = k + 1 < depth ? load_columns(at + source->k_stride, columns) : none;
      _mm_storeu_si128((__m128i *)to, _mm_unpacklo_epi8(even, odd));
      _mm_storeu_si128((__m128i *)(to + 16), _mm_unpackhi_epi8(even, odd));
    }
    return;
  }
  // Transposed as s16, then narrowed again.
  enum { STRIP = 64 };
  _Alignas(32) char strip[STRIP * CK_NR * 2];
  for (size_t k = 0; k < depth; k += STRIP) {
    const size_t steps = ck_min(STRIP, depth - k);
    ck_pack_b_rows(strip, at + k, source->stride, columns, steps, GROUP, ck_units8_s8);
    for (size_t g = 0; g < ck_ceil_div(steps, GROUP); g++, to += CK_UNIT_BYTES) {
      const __m256i *wide = (const __m256i *)(strip + g * CK_NR * GROUP * 2);
      const __m256i narrow = _mm256_packs_epi16(_mm256_load_si256(wide), _mm256_load_si256(wide + 1));
      _mm256_storeu_si256((__m256i *)to, _mm256_permute4x64_epi64(narrow, 0xd8));
    }
  }
}
