// Attention on bf16: widened to f32 as it is packed, or multiplied in pairs where there is an instruction for it.
#include "attention/attention.h"
#define CK_HALVES
#define CK_GROUP 1
#define CK_BODY "attention/body.inc.h"
#include "runtime/each_width.inc.h"
#include "vector/widths.h"

#if defined(__x86_64__)
#undef CK_GROUP
#define CK_GROUP 2
#define CK_SUFFIX avx512bf16
#define CK_LANES 16
#define CK_NEEDS CK_ISA_AVX512BF16
CK_TARGET_BEGIN(CK_TARGET_AVX512BF16)
#include CK_BODY
CK_TARGET_END
#undef CK_SUFFIX
#undef CK_NEEDS
#define CK_SUFFIX amxbf16
#define CK_NEEDS CK_ISA_AMXBF16
#define CK_TILES 1
CK_TARGET_BEGIN(CK_TARGET_AMXBF16)
#include CK_BODY
CK_TARGET_END
#define CK_EACH_VARIANT(X) X(amxbf16) X(avx512bf16) CK_EACH_WIDTH(X)
#else
#define CK_EACH_VARIANT(X) CK_EACH_WIDTH(X)
#endif

static const ck_variant variants[] = {CK_EACH_VARIANT(CK_WIDTH_VARIANT)};
static const ck_attention_kernels kernels[] = {
#define CK_ROW(suffix) {ck_attention_forward_##suffix, ck_attention_backward_##suffix},
    CK_EACH_VARIANT(CK_ROW)
#undef CK_ROW
};
const ck_attention_table ck_attention_bf16_table = {variants, kernels, sizeof variants / sizeof *variants};
