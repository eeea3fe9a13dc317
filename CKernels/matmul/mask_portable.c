// Bit masks, one element after the other.
#include "matmul/mask.h"
#include <string.h>

CK_INLINE void expand(char *to, const char *from, size_t bytes, size_t lines, const size_t element) {
  for (size_t chunk = 0; chunk < bytes; chunk += CK_MASK_CHUNK, to += CK_MASK_CHUNK) {
    const size_t count = ck_min(CK_MASK_CHUNK, bytes - chunk);
    const uint8_t *mask = (const uint8_t *)from;
    from += ck_mask_bytes(count, element);
    memset(to, 0, count);
    for (size_t at = 0; at < count; at += 8 * element, mask++)
      for (unsigned rest = *mask; rest; rest &= rest - 1, from += element)
        memcpy(to + at + (size_t)__builtin_ctz(rest) * element, from, element);
  }
}
CK_MASK_EXPAND(expand1, expand, 1)
CK_MASK_EXPAND(expand2, expand, 2)
CK_MASK_EXPAND(expand4, expand, 4)

const ck_mask_kernel ck_mask_portable = {{expand1, expand2, expand4}};
