// What a pass does besides the rule: rounding to halves, and copying around the caches.
#include "vector/math.inc.h"

#include "vector/halves.inc.h"

#define STEP_NARROW(type)                                                                                              \
  static void CK_NAME(to_##type)(size_t count, const float *x, uint16_t *y, ptrdiff_t ahead) {                         \
    size_t i = 0;                                                                                                      \
    for (; i + CK_LANES <= count; i += CK_LANES) {                                                                     \
      __builtin_prefetch(x + i + ahead, 0, 2);                                                                         \
      CK_NAME(ck_store_##type)(y + i, vload(x + i));                                                                   \
    }                                                                                                                  \
    if (i < count) CK_NAME(ck_store_##type##_part)(y + i, count - i, vload_part(x + i, count - i, 0));                 \
  }
STEP_NARROW(bf16)
STEP_NARROW(f16)
#undef STEP_NARROW

// Both ends are aligned to a vector.
static void CK_NAME(stream)(char *to, const char *from, size_t bytes) {
  size_t i = 0;
  for (; i + CK_LANES * 4 <= bytes; i += CK_LANES * 4)
    __builtin_nontemporal_store(vload((const float *)(from + i)), (vfloat *)(to + i));
  __builtin_memcpy(to + i, from + i, bytes - i);
}
