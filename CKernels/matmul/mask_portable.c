// Bit masks, one element after the other.
#include "matmul/mask.h"
#include <string.h>

CK_INLINE const char *expand(char *to, const char *from, size_t bytes, const size_t element) {
  const uint8_t *mask = (const uint8_t *)from;
  const char *values = from + ck_mask_bytes(bytes, element);
  memset(to, 0, bytes);
  for (size_t at = 0; at < bytes; at += 8 * element, mask++)
    for (unsigned rest = *mask; rest; rest &= rest - 1, values += element)
      memcpy(to + at + (size_t)__builtin_ctz(rest) * element, values, element);
  return values;
}
static const char *expand1(char *to, const char *from, size_t bytes) { return expand(to, from, bytes, 1); }
static const char *expand2(char *to, const char *from, size_t bytes) { return expand(to, from, bytes, 2); }
static const char *expand4(char *to, const char *from, size_t bytes) { return expand(to, from, bytes, 4); }

const ck_mask_kernel ck_mask_portable = {{expand1, expand2, expand4}};
