// f32 in blocks anywhere.
#include "matmul/blocks.h"
#include <string.h>
#define CK_BLOCKS_MR 2
typedef float ck_lanes __attribute__((vector_size(16)));
CK_INLINE ck_lanes ck_dot(ck_lanes sum, float a, ck_lanes b) { return sum + a * b; }
#include "matmul/blocks_f32.inc.h"

const ck_matmul_kernel ck_blocks_f32_portable = CK_BLOCKS_F32(4);
