// bf16 in blocks, multiplied and summed in f32 anywhere.
#include "matmul/blocks.h"
#include <string.h>
#include "matmul/halves_portable.inc.h"
#define CK_BLOCKS_MR 2
typedef float ck_lanes __attribute__((vector_size(16)));
CK_INLINE ck_lanes ck_dot(ck_lanes sum, float a, ck_lanes b) { return sum + a * b; }
#include "matmul/blocks_bf16.inc.h"

const ck_matmul_kernel ck_blocks_bf16_portable = CK_BLOCKS_BF16(3);
