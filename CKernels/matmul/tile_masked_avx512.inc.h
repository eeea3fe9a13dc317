// Few rows of A against a panel in chunks of a bit mask and elements (matmul/mask.h), on AVX-512: 32 columns, expanded
// in registers. The port of vpexpand and of what loads a mask is the limit, three cycles a vector on Intel; what
// multiplies shares it with one other from three rows on.
//   CK_MASK_LOAD(p, bits)     the elements at p at the places of the bits, zero elsewhere
//   CK_MASK_TYPE              unsigned integer of as many bits as a vector has elements
//   CK_MASK_ELEMENT           bytes
//   CK_MASK_A(a, g, i, rows)  K-group g of row i in a chunk's part of A, which has rows x 64 bytes
//   ck_dot(sum, a, b)         as in tile_avx512.inc.h
//   CK_ADD_EXTRA(sum, p)      likewise; or undefined
// Include inside CK_TARGET_BEGIN(...), after these and matmul/tile_avx512.inc.h, or what it includes.
#define CK_MASKED_CASE(BODY, rows)                                                                                     \
  case rows:                                                                                                           \
    BODY(tile, rows);                                                                                                  \
    break;
// clang-format off: it takes lists of cases for declarations
#define CK_MASKED_CASES(BODY)                                                                                          \
  CK_MASKED_CASE(BODY, 1) CK_MASKED_CASE(BODY, 2) CK_MASKED_CASE(BODY, 3) CK_MASKED_CASE(BODY, 4)                      \
  CK_MASKED_CASE(BODY, 5) CK_MASKED_CASE(BODY, 6) CK_MASKED_CASE(BODY, 7) CK_MASKED_CASE(BODY, 8)                      \
  CK_MASKED_CASE(BODY, 9) CK_MASKED_CASE(BODY, 10) CK_MASKED_CASE(BODY, 11) CK_MASKED_CASE(BODY, 12)                   \
  CK_MASKED_CASE(BODY, 13) CK_MASKED_CASE(BODY, 14)
// clang-format on

enum { CK_CHUNK_GROUPS = CK_MASK_CHUNK / 128 };

typedef struct ck_mask_stream {
  const char *mask, *values;
} ck_mask_stream;
CK_INLINE __m512i ck_mask_next(ck_mask_stream *stream) {
  CK_MASK_TYPE bits;
  __builtin_memcpy(&bits, stream->mask, sizeof bits);
  ck_mask_fetch(stream->values);
  const __m512i v = CK_MASK_LOAD(stream->values, bits);
  stream->mask += sizeof bits;
  stream->values += CK_MASK_ELEMENT * (size_t)__builtin_popcountll(bits);
  return v;
}

CK_INLINE void ck_masked_group(__m512i *sum, const char *a, ck_mask_stream *stream, const size_t rows, const size_t g) {
  const __m512i low = ck_mask_next(stream), high = ck_mask_next(stream);
#pragma clang loop unroll(full)
  for (size_t i = 0; i < rows; i++) {
    const __m512i av = ck_broadcast(CK_MASK_A(a, g, i, rows));
    sum[2 * i] = ck_dot(sum[2 * i], av, low);
    sum[2 * i + 1] = ck_dot(sum[2 * i + 1], av, high);
  }
}

CK_INLINE void ck_masked_body(const ck_matmul_tile *tile, const size_t rows) {
  __m512i sum[2 * CK_MR];
  const __mmask16 mask[2] = {ck_mask16(tile->columns), ck_mask16(tile->columns > 16 ? tile->columns - 16 : 0)};
#pragma clang loop unroll(full)
  for (size_t i = 0; i < 2 * rows; i++) {
    const char *from = (const char *)tile->from + i / 2 * tile->from_stride * 4 + i % 2 * 64;
    sum[i] = tile->from ? _mm512_maskz_loadu_epi32(mask[i % 2], from) : _mm512_setzero_si512();
#if defined(CK_ADD_EXTRA)
    if (tile->extra) sum[i] = CK_ADD_EXTRA(sum[i], (const char *)tile->extra + i % 2 * 64);
#endif
  }
  const char *a = tile->a;
  ck_mask_stream stream = {.values = tile->b};
#pragma clang loop unroll(disable)
  for (size_t left = tile->units * (CK_UNIT_BYTES / 128); left > 0; a += rows * 64) {
    const size_t groups = ck_min(left, CK_CHUNK_GROUPS);
    stream.mask = stream.values;
    stream.values += groups * 2 * sizeof(CK_MASK_TYPE);
    left -= groups;
    size_t g = 0;
#pragma clang loop unroll(disable)
    for (; g + 4 <= groups; g += 4)
#pragma clang loop unroll(full)
      for (size_t s = 0; s < 4; s++) ck_masked_group(sum, a, &stream, rows, g + s);
    for (; g < groups; g++) ck_masked_group(sum, a, &stream, rows, g);
  }
  char *to = tile->to;
#pragma clang loop unroll(full)
  for (size_t i = 0; i < rows; i++, to += tile->to_stride * 4) {
    _mm512_mask_storeu_epi32(to, mask[0], sum[2 * i]);
    _mm512_mask_storeu_epi32(to + 64, mask[1], sum[2 * i + 1]);
  }
}

static void ck_tile_masked(const ck_matmul_tile *tile) {
  switch (tile->rows) { CK_MASKED_CASES(ck_masked_body) }
}
