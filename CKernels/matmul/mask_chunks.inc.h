// The loops over chunks and vectors. VECTOR(to, mask, values) expands 64 dense bytes and returns the end of their
// elements; it is inlined.
#include "matmul/mask.h"
#define CK_MASK_CHUNKS(to, from, bytes, lines, element, VECTOR)                                                        \
  do {                                                                                                                 \
    for (size_t chunk = 0; chunk < (bytes); chunk += CK_MASK_CHUNK) {                                                  \
      const size_t count = ck_min(CK_MASK_CHUNK, (bytes) - chunk);                                                     \
      const char *mask = (from), *values = mask + ck_mask_bytes(count, element);                                       \
      ck_mask_fetch(mask, lines);                                                                                      \
      if (count == CK_MASK_CHUNK) {                                                                                    \
        _Pragma("clang loop unroll(full)") for (size_t v = 0; v < 8; v++) values =                                     \
            VECTOR((to) + chunk + v * CK_MASK_VECTOR, mask + v * (8 / (element)), values);                             \
      } else                                                                                                           \
        for (size_t v = 0; v < count / CK_MASK_VECTOR; v++)                                                            \
          values = VECTOR((to) + chunk + v * CK_MASK_VECTOR, mask + v * (8 / (element)), values);                      \
      (from) = values;                                                                                                 \
    }                                                                                                                  \
  } while (0)
