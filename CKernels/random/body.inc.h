// Bits, uniform and normal numbers: count numbers from the start of a block. See ck_random.h for the formulas.
#include "vector/math.inc.h"

#include "random/philox.inc.h"

// The last, short group is written through a buffer, so that every number comes from the same instructions.
CK_VECTOR void CK_NAME(store_pair)(void *out, size_t left, vuint first, vuint second) {
  vuint both[2] = {first, second};
  if (left >= 2 * CK_LANES)
    __builtin_memcpy(out, both, sizeof both);
  else
    __builtin_memcpy(out, both, left * 4);
}

static void CK_NAME(bits)(const ck_philox *philox, uint64_t block, size_t count, uint32_t *out) {
  vphilox_keys keys = vphilox_spread(philox);
  for (size_t i = 0; i < count; i += 2 * CK_LANES, block += CK_LANES / 2) {
    vuint a, b;
    vphilox(&keys, block, &a, &b);
    CK_NAME(store_pair)(out + i, count - i, a, b);
  }
}

CK_VECTOR vuint CK_NAME(unit)(vuint word) {
  return (vuint)(__builtin_convertvector((vint)(word >> 8), vfloat) * 0x1p-24f);
}

static void CK_NAME(uniform)(const ck_philox *philox, uint64_t block, size_t count, float *out) {
  vphilox_keys keys = vphilox_spread(philox);
  for (size_t i = 0; i < count; i += 2 * CK_LANES, block += CK_LANES / 2) {
    vuint a, b;
    vphilox(&keys, block, &a, &b);
    CK_NAME(store_pair)(out + i, count - i, CK_NAME(unit)(a), CK_NAME(unit)(b));
  }
}

static void CK_NAME(normal)(const ck_philox *philox, uint64_t block, size_t count, float mean, float deviation,
                            float *out) {
  vphilox_keys keys = vphilox_spread(philox);
  for (size_t i = 0; i < count; i += 2 * CK_LANES, block += CK_LANES / 2) {
    vuint a, b;
    vphilox(&keys, block, &a, &b);
    vuint radius = vevens(a, b), angle = vodds(a, b);
    // In (0, 1], never 0: the logarithm is finite.
    vfloat u = vfma(__builtin_convertvector((vint)(radius >> 1), vfloat), (vfloat)(0x1p-31f), (vfloat)(0x1p-32f));
    vfloat r = __builtin_elementwise_sqrt(-2.0f * vlog(u)) * deviation;
    vfloat sine, cosine;
    vsincos_turns(__builtin_convertvector((vint)angle, vfloat) * 0x1p-32f, &sine, &cosine);
    vuint c = (vuint)vfma(r, cosine, (vfloat)(mean)), s = (vuint)vfma(r, sine, (vfloat)(mean));
    CK_NAME(store_pair)(out + i, count - i, vevens(c, s), vodds(c, s));
  }
}
