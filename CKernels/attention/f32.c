// Attention on f32.
#include "attention/attention.h"
#define CK_GROUP 1
#define CK_BODY "attention/body.inc.h"
#include "runtime/each_width.inc.h"
#include "vector/widths.h"

static const ck_variant variants[] = {CK_EACH_WIDTH(CK_WIDTH_VARIANT)};
static const ck_attention_kernels kernels[] = {
#define CK_ROW(suffix) {ck_attention_forward_##suffix, ck_attention_backward_##suffix},
    CK_EACH_WIDTH(CK_ROW)
#undef CK_ROW
};
const ck_attention_table ck_attention_f32_table = {variants, kernels, sizeof variants / sizeof *variants};
