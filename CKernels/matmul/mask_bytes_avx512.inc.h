// Bit masks of bytes for mask_vector_avx512.inc.h. Include inside CK_TARGET_BEGIN(...) with VBMI2.
#define CK_MASK_TYPE uint64_t
#define CK_MASK_ELEMENT 1
#define CK_MASK_LOAD(p, bits) _mm512_maskz_expand_epi8(bits, _mm512_loadu_si512(p))
#include "matmul/mask_vector_avx512.inc.h"
