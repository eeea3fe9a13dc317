// Few rows of A against a panel in chunks of a bit mask and elements (matmul/mask.h), on AVX-512: 32 columns, expanded
// in registers. The port of vpexpand and of what loads a mask is the limit, three cycles a vector on Intel; what
// multiplies shares it with one other from three rows on.
//   ck_dot(sum, a, b)         as in tile_avx512.inc.h
//   CK_ADD_EXTRA(sum, p)      likewise; or undefined
//   CK_MASK_SIGNED            defined when A has signed bytes, which ck_dot takes as unsigned ones
// and, where A is not in the panels of tile_avx512.inc.h:
//   CK_MASK_A(a, c, rows)     where the part of A of chunk c of a panel starts
//   CK_MASK_A_GROUP(rows)     bytes from a K-group of A to the next of the same chunk
//   CK_MASK_A_ROW             bytes from one row to the next
//   CK_MASKED_CASES(BODY)     CK_MASKED_CASES_4 or _14: the numbers of rows
// Where it is, ck_tile_expanding comes with it: tiles of 7 rows and more (panels of A are of nearly equal height) that
// expand the next panel, too. Include inside CK_TARGET_BEGIN(...), after these, matmul/mask_vector_avx512.inc.h and
// matmul/tile_avx512.inc.h, or what it includes.
#if !defined(CK_MASK_A_ROW)
#define CK_MASK_A(a, c, rows) ((a) + (c) * 4 * CK_MASK_A_GROUP(rows))
#define CK_MASK_A_GROUP(rows) ((rows) * 4)
#define CK_MASK_A_ROW 4
#define CK_MASKED_CASES CK_MASKED_CASES_14
#define CK_MASK_EXPANDS
#endif

#define CK_MASKED_CASE(BODY, rows)                                                                                     \
  case rows:                                                                                                           \
    BODY(tile, rows);                                                                                                  \
    break;
#define CK_EXPANDING_CASE(BODY, rows)                                                                                  \
  case rows:                                                                                                           \
    BODY(tile, rows, 1);                                                                                               \
    break;
// clang-format off: it takes lists of cases for declarations
#define CK_MASKED_CASES_4(BODY) \
  CK_MASKED_CASE(BODY, 1) CK_MASKED_CASE(BODY, 2) CK_MASKED_CASE(BODY, 3) CK_MASKED_CASE(BODY, 4)
#define CK_MASKED_CASES_14(BODY)                                                                                       \
  CK_MASKED_CASES_4(BODY)                                                                                              \
  CK_MASKED_CASE(BODY, 5) CK_MASKED_CASE(BODY, 6) CK_MASKED_CASE(BODY, 7) CK_MASKED_CASE(BODY, 8)                      \
  CK_MASKED_CASE(BODY, 9) CK_MASKED_CASE(BODY, 10) CK_MASKED_CASE(BODY, 11) CK_MASKED_CASE(BODY, 12)                   \
  CK_MASKED_CASE(BODY, 13) CK_MASKED_CASE(BODY, 14)
#define CK_EXPANDING_CASES(BODY)                                                                                  \
  CK_EXPANDING_CASE(BODY, 7) CK_EXPANDING_CASE(BODY, 8) CK_EXPANDING_CASE(BODY, 9) CK_EXPANDING_CASE(BODY, 10)         \
  CK_EXPANDING_CASE(BODY, 11) CK_EXPANDING_CASE(BODY, 12) CK_EXPANDING_CASE(BODY, 13) CK_EXPANDING_CASE(BODY, 14)
// clang-format on

#if defined(CK_MASK_EXPANDS)
#include "matmul/mask_ahead_avx512.inc.h"
#define CK_TILE_EXPANDS
#define CK_TILE_BODY ck_expanding_body
#include "matmul/tile_body_avx512.inc.h"
#undef CK_TILE_EXPANDS
static void ck_tile_expanding(const ck_matmul_tile *tile) {
  switch (tile->rows) { CK_EXPANDING_CASES(ck_expanding_body) }
  ck_mask_rest(tile->expand);
}
#endif

// Signed bytes of A plus 128; `offset` takes 128 times the sums of the columns, to be subtracted at the end.
CK_INLINE __m512i ck_masked_a(__m512i a) {
#if defined(CK_MASK_SIGNED)
  return _mm512_xor_si512(a, _mm512_set1_epi8((char)0x80));
#else
  return a;
#endif
}

CK_INLINE void ck_masked_group(__m512i *sum, __m512i *offset, const char *a, const char *mask, const char **values,
                               const size_t rows, const size_t g) {
  const __m512i low = ck_mask_take(mask, values), high = ck_mask_take(mask + sizeof(CK_MASK_TYPE), values);
#if defined(CK_MASK_SIGNED)
  offset[0] = ck_dot(offset[0], _mm512_set1_epi8((char)0x80), low);
  offset[1] = ck_dot(offset[1], _mm512_set1_epi8((char)0x80), high);
#endif
#pragma clang loop unroll(full)
  for (size_t i = 0; i < rows; i++) {
    const __m512i av = ck_masked_a(ck_broadcast(a + g * CK_MASK_A_GROUP(rows) + i * CK_MASK_A_ROW));
    sum[2 * i] = ck_dot(sum[2 * i], av, low);
    sum[2 * i + 1] = ck_dot(sum[2 * i + 1], av, high);
  }
}

CK_INLINE void ck_masked_body(const ck_matmul_tile *tile, const size_t rows) {
  __m512i sum[2 * CK_MR], offset[2] = {_mm512_setzero_si512(), _mm512_setzero_si512()};
  const __mmask16 mask[2] = {ck_mask16(tile->columns), ck_mask16(tile->columns > 16 ? tile->columns - 16 : 0)};
#pragma clang loop unroll(full)
  for (size_t i = 0; i < 2 * rows; i++) {
    const char *from = (const char *)tile->from + i / 2 * tile->from_stride * 4 + i % 2 * 64;
    sum[i] = tile->from ? _mm512_maskz_loadu_epi32(mask[i % 2], from) : _mm512_setzero_si512();
#if defined(CK_ADD_EXTRA)
    if (tile->extra) sum[i] = CK_ADD_EXTRA(sum[i], (const char *)tile->extra + i % 2 * 64);
#endif
  }
  const char *a = tile->a, *from = tile->b;
#pragma clang loop unroll(disable)
  for (size_t c = 0, left = tile->units * (CK_UNIT_BYTES / 128); left > 0; c++) {
    const size_t groups = ck_min(left, CK_MASK_CHUNK / 128);
    const char *mask = from, *values = from + groups * 2 * sizeof(CK_MASK_TYPE), *at = CK_MASK_A(a, c, rows);
    ck_mask_fetch(mask, tile->lines);
    left -= groups;
    if (groups == 4) {
#pragma clang loop unroll(full)
      for (size_t g = 0; g < 4; g++, mask += 2 * sizeof(CK_MASK_TYPE))
        ck_masked_group(sum, offset, at, mask, &values, rows, g);
    } else {
      for (size_t g = 0; g < groups; g++, mask += 2 * sizeof(CK_MASK_TYPE))
        ck_masked_group(sum, offset, at, mask, &values, rows, g);
    }
    from = values;
  }
  char *to = tile->to;
#pragma clang loop unroll(full)
  for (size_t i = 0; i < rows; i++, to += tile->to_stride * 4) {
#pragma clang loop unroll(full)
    for (size_t v = 0; v < 2; v++) {
#if defined(CK_MASK_SIGNED)
      sum[2 * i + v] = _mm512_sub_epi32(sum[2 * i + v], offset[v]);
#endif
      _mm512_mask_storeu_epi32(to + 64 * v, mask[v], sum[2 * i + v]);
    }
  }
}

static void ck_tile_masked(const ck_matmul_tile *tile) {
  switch (tile->rows) { CK_MASKED_CASES(ck_masked_body) }
}
