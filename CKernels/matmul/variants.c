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
static const ck_matmul_type types[] = {
#define CK_MATMUL(TYPE, type, ISA, isa) CK_MATMUL_##TYPE,
#include "matmul/variants.inc.h"
#undef CK_MATMUL
};
static const ck_variant variants[] = {
#define CK_MATMUL(TYPE, type, ISA, isa) {#isa, CK_ISA_##ISA},
#include "matmul/variants.inc.h"
#undef CK_MATMUL
};
enum { COUNT = sizeof kernels / sizeof *kernels };

const ck_matmul_kernel *ck_matmul_best(ck_matmul_type type, ck_isa allowed, ck_isa *needs) {
  for (size_t i = 0; i < COUNT; i++)
    if (types[i] == type && (variants[i].needs & ~allowed) == 0) return *needs = variants[i].needs, kernels[i];
  return NULL;
}

static const ck_variant *of_type(ck_matmul_type type, size_t *count) {
  size_t first = 0, end;
  while (first < COUNT && types[first] != type) first++;
  for (end = first; end < COUNT && types[end] == type;) end++;
  *count = end - first;
  return variants + first;
}

const ck_variant *ck_matmul_f32_variants(size_t *count) { return of_type(CK_MATMUL_F32, count); }
const ck_variant *ck_matmul_s8_variants(size_t *count) { return of_type(CK_MATMUL_S8, count); }
