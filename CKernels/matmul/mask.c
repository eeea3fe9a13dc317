// Dispatch of what expands bit masks.
#include "matmul/mask.h"
#include "runtime/isa.h"

static const ck_mask_kernel *const kernels[] = {
#define CK_MASK(name, needs) &ck_mask_##name,
#include "matmul/mask_variants.inc.h"
#undef CK_MASK
};
static const ck_isa needed[] = {
#define CK_MASK(name, needs) needs,
#include "matmul/mask_variants.inc.h"
#undef CK_MASK
};

const ck_mask_kernel *ck_mask_best(ck_isa allowed, ck_isa *needs) {
  size_t i = 0;
  while (needed[i] & ~allowed) i++; // the last one needs nothing
  *needs = needed[i];
  return kernels[i];
}
