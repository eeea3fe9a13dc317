// y = kept ? x * scale : +0 for count elements from the start of a block. See ck_dropout.h for the mask.
#include "vector/math.inc.h"

#include "random/philox.inc.h"

#define CK_AHEAD 1024 // elements between what is read and what is fetched

typedef uint16_t CK_NAME(ck_vhalves) __attribute__((ext_vector_type(2 * CK_LANES)));
typedef int16_t CK_NAME(ck_vkept) __attribute__((ext_vector_type(2 * CK_LANES)));
typedef int16_t CK_NAME(ck_vkept_half) __attribute__((ext_vector_type(CK_LANES)));

// kept ? x * scale : 0 for the 2 * CK_LANES elements whose halves are in `words`.
CK_VECTOR void CK_NAME(keep)(vuint words, uint16_t threshold, float scale, const float *x, vfloat y[2]) {
  vfloat a = vload(x) * scale, b = vload(x + CK_LANES) * scale;
#if CK_LANES == 16
  __mmask32 kept = _mm512_cmpge_epu16_mask((__m512i)words, _mm512_set1_epi16((short)threshold));
  y[0] = (vfloat)_mm512_maskz_mov_ps((__mmask16)kept, (__m512)a);
  y[1] = (vfloat)_mm512_maskz_mov_ps((__mmask16)(kept >> 16), (__m512)b);
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
  y[0] = (vfloat)((vint)a & __builtin_convertvector(low, vint));
  y[1] = (vfloat)((vint)b & __builtin_convertvector(high, vint));
#undef CK_LOW
#undef CK_HIGH
#endif
}

// 8 * CK_LANES elements.
CK_VECTOR void CK_NAME(group)(const vphilox_keys *keys, uint64_t block, uint16_t threshold, float scale, const float *x,
                              float *y, bool streams) {
  // The rounds fill the processor's window, so that it does not see far enough ahead to fetch x by itself.
  for (int i = 0; i < 8 * CK_LANES; i += 16) __builtin_prefetch(x + CK_AHEAD + i);
  vuint words[4];
  vphilox(keys, block, words);
#pragma clang loop unroll(full)
  for (int i = 0; i < 4; i++) {
    vfloat kept[2];
    CK_NAME(keep)(words[i], threshold, scale, x + 2 * i * CK_LANES, kept);
    for (int k = 0; k < 2; k++)
      if (streams)
        __builtin_nontemporal_store(kept[k], (vfloat *)(y + (2 * i + k) * CK_LANES));
      else
        vstore(y + (2 * i + k) * CK_LANES, kept[k]);
  }
}

// `streams`: y is 64-byte aligned and its lines go past the caches.
static void CK_NAME(dropout)(const ck_philox *philox, uint64_t block, uint16_t threshold, float scale, size_t count,
                             const float *x, float *y, bool streams) {
  enum { GROUP = 8 * CK_LANES };
  vphilox_keys keys = vphilox_spread(philox);
  size_t i = 0;
  if (streams) {
    for (; i + GROUP <= count; i += GROUP) CK_NAME(group)(&keys, block + i / 8, threshold, scale, x + i, y + i, true);
#if defined(__x86_64__)
    __builtin_ia32_sfence(); // other workers must see streamed lines after the barrier
#endif
  }
  for (; i + GROUP <= count; i += GROUP) CK_NAME(group)(&keys, block + i / 8, threshold, scale, x + i, y + i, false);
  if (i < count) {
    float rest[GROUP] = {0};
    __builtin_memcpy(rest, x + i, (count - i) * sizeof *x);
    CK_NAME(group)(&keys, block + i / 8, threshold, scale, rest, rest, false);
    __builtin_memcpy(y + i, rest, (count - i) * sizeof *y);
  }
}
