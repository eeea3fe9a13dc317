// What the masks of AVX-512 without VBMI2 share with those of AVX2: it has nothing better for bytes and words.
#ifndef CK_MATMUL_MASK_AVX2_H
#define CK_MATMUL_MASK_AVX2_H
#include "matmul/mask.h"
#if defined(__x86_64__)
ck_mask_expand ck_mask_expand1_avx2, ck_mask_expand2_avx2, ck_mask_expand4_avx512;
#endif
#endif
