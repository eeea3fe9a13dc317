// f32 x s8 anywhere.
#include "matmul/types.h"
#include "matmul/wide.h"
#include "matmul/f32s8_portable.inc.h"

static void pack_a(void *panel, void *extra, const ck_matmul_source *source, size_t first, size_t rows, size_t from,
                   size_t depth) {
  ck_matmul_f32_portable.pack_a[CK_F32](panel, extra, source, first, rows, from, depth);
}

const ck_matmul_kernel ck_matmul_f32s8_portable =
    CK_WIDE_KERNEL(1, 5, CK_MR, ck_matmul_f32_portable, [CK_F32] = pack_a);
