// Bits, uniform and normal numbers: count numbers from the start of a block. See ck_random.h for the formulas.
#include "vector/math.inc.h"

#include "random/philox.inc.h"

// What becomes of the words of a group, 8 * CK_LANES of them.
CK_VECTOR void CK_NAME(as_bits)(vuint *words, float mean, float deviation) {}

CK_VECTOR void CK_NAME(as_uniform)(vuint *words, float mean, float deviation) {
#if CK_LANES == 16 // 24 bits are exact in f32 wherever they are; a mask is cheaper than a shift
  for (int k = 0; k < 8; k++) words[k] = (vuint)(__builtin_convertvector(words[k] & 0xffffff00u, vfloat) * 0x1p-32f);
#else
  for (int k = 0; k < 8; k++) words[k] = (vuint)(__builtin_convertvector((vint)(words[k] >> 8), vfloat) * 0x1p-24f);
#endif
}

// The words of two vectors of pairs become two vectors of numbers.
CK_VECTOR void CK_NAME(box_muller)(vuint words[2], float mean, float deviation) {
  vuint radius = vevens(words[0], words[1]), angle = vodds(words[0], words[1]);
  // In (0, 1], never 0: the logarithm is finite.
  vfloat u = vfma(__builtin_convertvector((vint)(radius >> 1), vfloat), (vfloat)(0x1p-31f), (vfloat)(0x1p-32f));
  vfloat r = __builtin_elementwise_sqrt(-2.0f * vlog_normal(u, (vint)(0))) * deviation;
  vfloat sine, cosine;
  vsincos_turns(__builtin_convertvector((vint)angle, vfloat) * 0x1p-32f, &sine, &cosine);
  vuint c = (vuint)vfma(r, cosine, (vfloat)(mean)), s = (vuint)vfma(r, sine, (vfloat)(mean));
  words[0] = vevens(c, s);
  words[1] = vodds(c, s);
}

CK_VECTOR void CK_NAME(as_normal)(vuint *words, float mean, float deviation) {
  for (int k = 0; k < 8; k += 2) CK_NAME(box_muller)(words + k, mean, deviation);
}

// `streams`: out is 64-byte aligned and its lines go past the caches. The last, short group passes through a buffer of
// its own: one whose address is taken in the loop would be written in every round. Blocks of one run have the same high
// half; a span has a second run only where the lower half overflows.
#define RANDOM(kind)                                                                                                   \
  CK_VECTOR void CK_NAME(group_of_##kind)(const vphilox_keys *keys, uint64_t block, vblock high, float mean,           \
                                          float deviation, uint32_t *out, bool streams) {                              \
    vuint words[8];                                                                                                    \
    vphilox_run(keys, block, high, words);                                                                             \
    CK_NAME(as_##kind)(words, mean, deviation);                                                                        \
    for (int k = 0; k < 8; k++)                                                                                        \
      if (streams)                                                                                                     \
        __builtin_nontemporal_store(words[k], (vuint *)(out + k * CK_LANES));                                          \
      else                                                                                                             \
        __builtin_memcpy(out + k * CK_LANES, &words[k], sizeof words[k]);                                              \
  }                                                                                                                    \
  static void CK_NAME(run_of_##kind)(const ck_philox *philox, uint64_t block, size_t count, float mean,                \
                                     float deviation, uint32_t *out, bool streams) {                                   \
    enum { GROUP = 8 * CK_LANES };                                                                                     \
    const vphilox_keys keys = vphilox_spread(philox);                                                                  \
    const vblock high = block >> 32;                                                                                   \
    size_t i = 0;                                                                                                      \
    for (; i + GROUP <= count; i += GROUP)                                                                             \
      CK_NAME(group_of_##kind)(&keys, block + i / 4, high, mean, deviation, out + i, streams);                         \
    if (i < count) {                                                                                                   \
      uint32_t rest[GROUP];                                                                                            \
      CK_NAME(group_of_##kind)(&keys, block + i / 4, high, mean, deviation, rest, false);                              \
      __builtin_memcpy(out + i, rest, (count - i) * sizeof *out);                                                      \
    }                                                                                                                  \
    if (streams) RANDOM_FENCE();                                                                                       \
  }                                                                                                                    \
  static void CK_NAME(kind)(const ck_philox *philox, uint64_t block, size_t count, float mean, float deviation,        \
                            uint32_t *out, bool streams) {                                                             \
    const uint64_t before = 4 * (0x100000000u - (block & 0xffffffffu));                                                \
    const size_t first = before < count ? (size_t)before : count;                                                      \
    CK_NAME(run_of_##kind)(philox, block, first, mean, deviation, out, streams);                                       \
    if (first < count)                                                                                                 \
      CK_NAME(run_of_##kind)(philox, block + first / 4, count - first, mean, deviation, out + first, false);           \
  }
#if defined(__x86_64__)
#define RANDOM_FENCE() __builtin_ia32_sfence() // other workers must see streamed lines after the barrier
#else
#define RANDOM_FENCE() ((void)0)
#endif
RANDOM(bits)
RANDOM(uniform)
RANDOM(normal)
#undef RANDOM
#undef RANDOM_FENCE
