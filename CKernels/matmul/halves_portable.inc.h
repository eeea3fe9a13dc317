// vector/halves.inc.h at 4 lanes, for products in plain C.
#define CK_LANES 4
#define CK_NEEDS CK_ISA_PORTABLE
#define CK_NAME(base) base##_portable
#include "vector/math.inc.h"
#include "vector/halves.inc.h"
