// CK_BITMASK(name, needs): best first.
#if defined(__x86_64__)
CK_BITMASK(avx512vbmi2, CK_ISA_AVX512VBMI2)
CK_BITMASK(avx512, CK_ISA_AVX512)
CK_BITMASK(avx2, CK_ISA_AVX2)
#endif
CK_BITMASK(portable, CK_ISA_PORTABLE)
