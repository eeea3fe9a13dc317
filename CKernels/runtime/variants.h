// Choosing a variant: the lists are ordered, best first, portable last.
#ifndef CK_VARIANTS_H
#define CK_VARIANTS_H
#include "runtime/worker.h"

#define CK_COUNT(array) (sizeof(array) / sizeof *(array))
// The first variant that fits the context's instruction sets; `count` when none does.
static inline size_t ck_choose(const ck_context *context, const ck_variant *variants, size_t count) {
  ck_isa have = ck_context_isa(context);
  size_t i = 0;
  while (i < count && (variants[i].needs & ~have)) i++;
  return i;
}
#endif
