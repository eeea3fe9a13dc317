// Chooses what rounds an f32 B.
#include "matmul/driver.h"
#include "vector/widths.h"

#define CK_BODY "matmul/narrow.inc.h"
#include "runtime/each_width.inc.h"

static const ck_variant variants[] = {CK_EACH_WIDTH(CK_WIDTH_VARIANT)};
enum { VARIANTS = sizeof variants / sizeof *variants };
static ck_narrow_rows *const to_bf16[] = {
#define X(width) narrow_rows_bf16_##width,
    CK_EACH_WIDTH(X)
#undef X
};
static ck_narrow_rows *const to_f16[] = {
#define X(width) narrow_rows_f16_##width,
    CK_EACH_WIDTH(X)
#undef X
};

ck_narrow_rows *ck_matmul_narrow(const ck_context *context, ck_type to) {
  const size_t best = ck_first_allowed(variants, VARIANTS, context);
  return to == CK_BF16 ? to_bf16[best] : to == CK_F16 ? to_f16[best] : NULL;
}
