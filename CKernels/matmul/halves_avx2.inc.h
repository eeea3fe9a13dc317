// vector/halves.inc.h at 8 lanes, inside CK_TARGET_BEGIN(...), for packing that rounds and widens.
#define CK_LANES 8
#define CK_NEEDS CK_ISA_AVX2
#define CK_NAME(base) base##_avx2
#include "vector/math.inc.h"
#include "vector/halves.inc.h"
