// y = kept ? x * scale : +0 for count elements from the start of a block. See ck_dropout.h for the mask.
#include "vector/math.inc.h"
#include "vector/typed.inc.h"

#include "random/philox.inc.h"

#define CK_AHEAD 1024 // elements between what is read and what is fetched

typedef uint16_t CK_NAME(ck_vhalves) __attribute__((ext_vector_type(2 * CK_LANES)));
typedef int16_t CK_NAME(ck_vkept) __attribute__((ext_vector_type(2 * CK_LANES)));
typedef int16_t CK_NAME(ck_vkept_half) __attribute__((ext_vector_type(CK_LANES)));

// kept ? v : 0 for the 2 * CK_LANES elements whose halves are in `words`.
CK_VECTOR void CK_NAME(keep)(vuint words, uint16_t threshold, vfloat v[2]) {
#if CK_LANES == 16
  __mmask32 kept = _mm512_cmpge_epu16_mask((__m512i)words, _mm512_set1_epi16((short)threshold));
  v[0] = (vfloat)_mm512_maskz_mov_ps((__mmask16)kept, (__m512)v[0]);
  v[1] = (vfloat)_mm512_maskz_mov_ps((__mmask16)(kept >> 16), (__m512)v[1]);
#else
#if CK_LANES == 8
#define CK_LOW 0, 1, 2, 3, 4, 5, 6, 7
#define CK_HIGH 8, 9, 10, 11, 12, 13, 14, 15
#else
#define CK_LOW 0, 1, 2, 3
#define CK_HIGH 4, 5, 6, 7
#endif
  CK_NAME(ck_vkept) kept = (CK_NAME(ck_vhalves))words >= threshold;
  CK_NAME(ck_vkept_half) low = __builtin_shufflevector(kept, kept, CK_LOW);
  CK_NAME(ck_vkept_half) high = __builtin_shufflevector(kept, kept, CK_HIGH);
  v[0] = (vfloat)((vint)v[0] & __builtin_convertvector(low, vint));
  v[1] = (vfloat)((vint)v[1] & __builtin_convertvector(high, vint));
#undef CK_LOW
#undef CK_HIGH
#endif
}

// Elements i ..< i + 16 * CK_LANES, whose mask begins with `block`. Types and `streams` are constants where this is
// inlined.
CK_VECTOR void CK_NAME(group)(const vphilox_keys *keys, uint64_t block, uint16_t threshold, float scale, const void *x,
                              ck_type x_type, void *y, ck_type y_type, size_t i, bool streams) {
  // The rounds fill the processor's window, so that it does not see far enough ahead to fetch x by itself.
  const size_t bytes = ck_bytes_of(x_type);
  for (size_t k = 0; k < 16 * CK_LANES * bytes; k += 64)
    __builtin_prefetch((const char *)x + (i + CK_AHEAD) * bytes + k);
  vuint words[8];
  vphilox_wide(keys, block, words);
#pragma clang loop unroll(full)
  for (int k = 0; k < 8; k++, i += 2 * CK_LANES) {
    vfloat v[2] = {vload_as(x, i, x_type) * scale, vload_as(x, i + CK_LANES, x_type) * scale};
    CK_NAME(keep)(words[k], threshold, v);
    vstore_pair_as(y, i, v[0], v[1], y_type, streams);
  }
}

// `streams`: y is 64-byte aligned and its lines go past the caches.
CK_VECTOR void CK_NAME(drop)(const ck_philox *philox, uint64_t block, uint16_t threshold, float scale, size_t count,
                             const void *x, ck_type x_type, void *y, ck_type y_type, bool streams) {
  enum { GROUP = 16 * CK_LANES };
  vphilox_keys keys = vphilox_spread(philox);
  size_t i = 0;
  if (streams)
    for (; i + GROUP <= count; i += GROUP)
      CK_NAME(group)(&keys, block + i / 8, threshold, scale, x, x_type, y, y_type, i, true);
  for (; i + GROUP <= count; i += GROUP)
    CK_NAME(group)(&keys, block + i / 8, threshold, scale, x, x_type, y, y_type, i, false);
  if (i < count) {
    float rest[GROUP] = {0}, dropped[GROUP];
    __builtin_memcpy(rest, (const char *)x + i * ck_bytes_of(x_type), (count - i) * ck_bytes_of(x_type));
    CK_NAME(group)(&keys, block + i / 8, threshold, scale, rest, x_type, dropped, y_type, 0, false);
    __builtin_memcpy((char *)y + i * ck_bytes_of(y_type), dropped, (count - i) * ck_bytes_of(y_type));
  }
}

// Nothing is dropped: y = x, of which the type may change.
CK_VECTOR void CK_NAME(pass)(size_t count, const void *x, ck_type x_type, void *y, ck_type y_type, bool streams) {
  size_t i = 0;
  if (streams)
    for (; i + 2 * CK_LANES <= count; i += 2 * CK_LANES)
      vstore_pair_as(y, i, vload_as(x, i, x_type), vload_as(x, i + CK_LANES, x_type), y_type, true);
  for (; i + 2 * CK_LANES <= count; i += 2 * CK_LANES)
    vstore_pair_as(y, i, vload_as(x, i, x_type), vload_as(x, i + CK_LANES, x_type), y_type, false);
  for (; i < count; i += CK_LANES) {
    size_t n = count - i < CK_LANES ? count - i : CK_LANES;
    vstore_part_as(y, i, n, vload_part_as(x, i, n, 0, x_type), y_type);
  }
}

CK_VECTOR void CK_NAME(dropout_typed)(const ck_philox *philox, uint64_t block, uint16_t threshold, float scale,
                                      size_t count, const void *x, ck_type x_type, void *y, ck_type y_type,
                                      bool streams) {
  if (threshold > 0)
    CK_NAME(drop)(philox, block, threshold, scale, count, x, x_type, y, y_type, streams);
  else
    CK_NAME(pass)(count, x, x_type, y, y_type, streams);
#if defined(__x86_64__)
  if (streams) __builtin_ia32_sfence(); // other workers must see streamed lines after the barrier
#endif
}

#define DROPOUT(name, x_type, y_type)                                                                                  \
  static void CK_NAME(name)(const ck_philox *philox, uint64_t block, uint16_t threshold, float scale, size_t count,    \
                            const void *x, void *y, bool streams) {                                                    \
    CK_NAME(dropout_typed)(philox, block, threshold, scale, count, x, x_type, y, y_type, streams);                     \
  }
DROPOUT(f32_f32, CK_F32, CK_F32)
DROPOUT(f32_bf16, CK_F32, CK_BF16)
DROPOUT(bf16_f32, CK_BF16, CK_F32)
DROPOUT(bf16_bf16, CK_BF16, CK_BF16)
#undef DROPOUT
