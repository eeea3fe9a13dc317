// Bits, uniform and normal numbers: count numbers from the start of a block. See ck_random.h for the formulas.
#include "vector/math.inc.h"

#include "random/philox.inc.h"

// One group is 4 * CK_LANES numbers. The last, short one is written through its buffer, so that every number comes from
// the same instructions.
CK_VECTOR void CK_NAME(store_group)(void *out, size_t left, const vuint group[4]) {
  if (left >= 4 * CK_LANES)
    __builtin_memcpy(out, group, 16 * CK_LANES);
  else
    __builtin_memcpy(out, group, left * 4);
}

static void CK_NAME(bits)(const ck_philox *philox, uint64_t block, size_t count, uint32_t *out) {
  vphilox_keys keys = vphilox_spread(philox);
  for (size_t i = 0; i < count; i += 4 * CK_LANES, block += CK_LANES) {
    vuint words[4];
    vphilox(&keys, block, words);
    CK_NAME(store_group)(out + i, count - i, words);
  }
}

static void CK_NAME(uniform)(const ck_philox *philox, uint64_t block, size_t count, float *out) {
  vphilox_keys keys = vphilox_spread(philox);
  for (size_t i = 0; i < count; i += 4 * CK_LANES, block += CK_LANES) {
    vuint words[4];
    vphilox(&keys, block, words);
    for (int k = 0; k < 4; k++) words[k] = (vuint)(__builtin_convertvector((vint)(words[k] >> 8), vfloat) * 0x1p-24f);
    CK_NAME(store_group)(out + i, count - i, words);
  }
}

// The words of two vectors of pairs become two vectors of numbers.
CK_VECTOR void CK_NAME(box_muller)(vuint words[2], float mean, float deviation) {
  vuint radius = vevens(words[0], words[1]), angle = vodds(words[0], words[1]);
  // In (0, 1], never 0: the logarithm is finite.
  vfloat u = vfma(__builtin_convertvector((vint)(radius >> 1), vfloat), (vfloat)(0x1p-31f), (vfloat)(0x1p-32f));
  vfloat r = __builtin_elementwise_sqrt(-2.0f * vlog(u)) * deviation;
  vfloat sine, cosine;
  vsincos_turns(__builtin_convertvector((vint)angle, vfloat) * 0x1p-32f, &sine, &cosine);
  vuint c = (vuint)vfma(r, cosine, (vfloat)(mean)), s = (vuint)vfma(r, sine, (vfloat)(mean));
  words[0] = vevens(c, s);
  words[1] = vodds(c, s);
}

static void CK_NAME(normal)(const ck_philox *philox, uint64_t block, size_t count, float mean, float deviation,
                            float *out) {
  vphilox_keys keys = vphilox_spread(philox);
  for (size_t i = 0; i < count; i += 4 * CK_LANES, block += CK_LANES) {
    vuint words[4];
    vphilox(&keys, block, words);
    CK_NAME(box_muller)(words, mean, deviation);
    CK_NAME(box_muller)(words + 2, mean, deviation);
    CK_NAME(store_group)(out + i, count - i, words);
  }
}
