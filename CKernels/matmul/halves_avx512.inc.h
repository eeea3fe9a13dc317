// vector/halves.inc.h at 16 lanes, inside CK_TARGET_BEGIN(...), for packing that rounds and widens.
#define CK_LANES 16
#define CK_NEEDS CK_ISA_AVX512
#define CK_NAME(base) base##_avx512
#include "vector/math.inc.h"
#include "vector/halves.inc.h"
