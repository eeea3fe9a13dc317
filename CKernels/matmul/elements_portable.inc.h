// Packing in plain C, one element after the other.
#include "matmul/types.h"
#include <string.h>

enum { CK_MR = 4, CK_NR = 8 };

// Packs rows of A (width = count) or columns of B (width = CK_NR; the missing ones become zeros): put writes one packed
// element of `bytes` from one in memory.
CK_INLINE void ck_pack_elements(char *to, size_t width, size_t bytes, const ck_matmul_source *source, size_t first,
                                size_t count, size_t from, size_t depth, void (*put)(char *to, const char *from)) {
  const char *at = source->data + first * source->stride + from * source->k_stride;
  for (size_t k = 0; k < depth; k++, at += source->k_stride, to += width * bytes) {
    for (size_t i = 0; i < count; i++) put(to + i * bytes, at + i * source->stride);
    if (count < width) memset(to + count * bytes, 0, (width - count) * bytes);
  }
}
