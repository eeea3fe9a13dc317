// Dispatch of weights in blocks: the first kernel of the list that the allowed instruction sets cover.
#include "matmul/blocks.h"

#define CK_BLOCKS(TYPE, type, ISA, isa) extern const ck_matmul_kernel ck_blocks_##type##_##isa;
#include "matmul/blocks_variants.inc.h"
#undef CK_BLOCKS

static const struct {
  const ck_matmul_kernel *kernel;
  ck_product product;
  ck_isa needs;
} list[] = {
#define CK_BLOCKS(TYPE, type, ISA, isa) {&ck_blocks_##type##_##isa, CK_PRODUCT_##TYPE, CK_ISA_##ISA},
#include "matmul/blocks_variants.inc.h"
#undef CK_BLOCKS
};
enum { COUNT = sizeof list / sizeof *list };

const ck_matmul_kernel *ck_blocks_best(ck_product product, ck_isa allowed, ck_isa *needs) {
  for (size_t i = 0; i < COUNT; i++)
    if (list[i].product == product && (list[i].needs & ~allowed) == 0) return *needs = list[i].needs, list[i].kernel;
  return NULL;
}
