// Dispatch: the first kernel of the list that the allowed instruction sets cover.
#include "matmul/types.h"

#define CK_MATMUL(TYPE, type, ISA, isa) extern const ck_matmul_kernel ck_matmul_##type##_##isa;
#include "matmul/variants.inc.h"
#undef CK_MATMUL

static const ck_matmul_kernel *const kernels[] = {
#define CK_MATMUL(TYPE, type, ISA, isa) &ck_matmul_##type##_##isa,
#include "matmul/variants.inc.h"
#undef CK_MATMUL
};
static const ck_product products[] = {
#define CK_MATMUL(TYPE, type, ISA, isa) CK_PRODUCT_##TYPE,
#include "matmul/variants.inc.h"
#undef CK_MATMUL
};
static const ck_variant variants[] = {
#define CK_MATMUL(TYPE, type, ISA, isa) {#isa, CK_ISA_##ISA},
#include "matmul/variants.inc.h"
#undef CK_MATMUL
};
enum { COUNT = sizeof kernels / sizeof *kernels };

static const struct {
  const char *name;
  uint8_t group;
} descriptions[CK_PRODUCTS] = {
    [CK_PRODUCT_F32] = {"f32", 1},
    [CK_PRODUCT_BF16] = {"bf16", 1},
    [CK_PRODUCT_F16] = {"f16", 1},
    [CK_PRODUCT_S8] = {"s8", 1},
    [CK_PRODUCT_U8S8] = {"u8s8", 1},
    [CK_PRODUCT_F32S8] = {"f32s8", 1},
    [CK_PRODUCT_BF16S8] = {"bf16s8", 1},
    [CK_PRODUCT_S8S4G32] = {"s8s4g32", 32},
    [CK_PRODUCT_S8S4G128] = {"s8s4g128", 128},
    [CK_PRODUCT_S8U4G32] = {"s8u4g32", 32},
    [CK_PRODUCT_S8U4G128] = {"s8u4g128", 128},
    [CK_PRODUCT_BF16S4G32] = {"bf16s4g32", 32},
    [CK_PRODUCT_BF16S4G128] = {"bf16s4g128", 128},
    [CK_PRODUCT_BF16U4G32] = {"bf16u4g32", 32},
    [CK_PRODUCT_BF16U4G128] = {"bf16u4g128", 128},
};

const char *ck_product_name(ck_product product) {
  return (uint32_t)product < CK_PRODUCTS ? descriptions[product].name : NULL;
}

size_t ck_product_group(ck_product product) {
  return (uint32_t)product < CK_PRODUCTS ? descriptions[product].group : 1;
}

size_t ck_product_max_k(ck_product product) {
  const size_t sum = INT32_MAX;
  return product == CK_PRODUCT_S8 ? sum / (128 * 128) : product == CK_PRODUCT_U8S8 ? sum / (255 * 128) : SIZE_MAX;
}

const ck_matmul_kernel *ck_matmul_best(ck_product product, ck_isa allowed, ck_isa *needs) {
  for (size_t i = 0; i < COUNT; i++)
    if (products[i] == product && (variants[i].needs & ~allowed) == 0) return *needs = variants[i].needs, kernels[i];
  return NULL;
}

const ck_variant *ck_matmul_variants(ck_product product, size_t *count) {
  size_t first = 0, end;
  while (first < COUNT && products[first] != product) first++;
  for (end = first; end < COUNT && products[end] == product;) end++;
  *count = end - first;
  return variants + first;
}
