#include "vector/math.inc.h"

#include "vector/halves.inc.h"

// `streams`: y is aligned to a vector and written around the caches.
#define CONVERT_NARROW(type)                                                                                           \
  static void CK_NAME(f32_##type)(size_t count, const void *from, void *to, bool streams) {                            \
    const float *x = from;                                                                                             \
    uint16_t *y = to;                                                                                                  \
    size_t i = 0;                                                                                                      \
    if (streams) {                                                                                                     \
      for (; i + CK_LANES <= count; i += CK_LANES)                                                                     \
        __builtin_nontemporal_store(CK_NAME(ck_vnarrow_##type)(vload(x + i)), (vhalf *)(y + i));                       \
    } else {                                                                                                           \
      for (; i + CK_LANES <= count; i += CK_LANES) CK_NAME(ck_store_##type)(y + i, vload(x + i));                      \
    }                                                                                                                  \
    if (i < count) CK_NAME(ck_store_##type##_part)(y + i, count - i, vload_part(x + i, count - i, 0));                 \
  }
#define CONVERT_WIDEN(type)                                                                                            \
  static void CK_NAME(type##_f32)(size_t count, const void *from, void *to, bool streams) {                            \
    const uint16_t *x = from;                                                                                          \
    float *y = to;                                                                                                     \
    size_t i = 0;                                                                                                      \
    if (streams) {                                                                                                     \
      for (; i + CK_LANES <= count; i += CK_LANES)                                                                     \
        __builtin_nontemporal_store(CK_NAME(ck_load_##type)(x + i), (vfloat *)(y + i));                                \
    } else {                                                                                                           \
      for (; i + CK_LANES <= count; i += CK_LANES) vstore(y + i, CK_NAME(ck_load_##type)(x + i));                      \
    }                                                                                                                  \
    if (i < count) vstore_part(y + i, count - i, CK_NAME(ck_load_##type##_part)(x + i, count - i));                    \
  }
CONVERT_NARROW(bf16)
CONVERT_NARROW(f16)
CONVERT_WIDEN(bf16)
CONVERT_WIDEN(f16)
#undef CONVERT_NARROW
#undef CONVERT_WIDEN
