// CK_MASK(name, needs): best first.
#if defined(__x86_64__)
CK_MASK(avx512vbmi2, CK_ISA_AVX512VBMI2)
CK_MASK(avx512, CK_ISA_AVX512)
CK_MASK(avx2, CK_ISA_AVX2)
#endif
CK_MASK(portable, CK_ISA_PORTABLE)
