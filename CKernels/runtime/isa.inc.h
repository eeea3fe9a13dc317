// CK_ISA(NAME, "name", bit, implied, detected): the one list of instruction sets, weakest first.
#if defined(__x86_64__)
CK_ISA(AVX2, "avx2", 0, 0, ck_cpu_has_avx2())
CK_ISA(AVX512, "avx512", 1, CK_ISA_AVX2, ck_cpu_has_avx512())
CK_ISA(AVX512VNNI, "avx512vnni", 2, CK_ISA_AVX512, ck_cpu_has_avx512vnni())
CK_ISA(AVX512BF16, "avx512bf16", 3, CK_ISA_AVX512, ck_cpu_has_avx512bf16())
CK_ISA(AVX512VBMI2, "avx512vbmi2", 4, CK_ISA_AVX512, ck_cpu_has_avx512vbmi2())
#elif defined(__aarch64__)
CK_ISA(NEON, "neon", 16, 0, 1)
CK_ISA(DOTPROD, "dotprod", 17, CK_ISA_NEON, ck_cpu_has_dotprod())
CK_ISA(I8MM, "i8mm", 18, CK_ISA_NEON, ck_cpu_has_i8mm())
CK_ISA(FP16, "fp16", 19, CK_ISA_NEON, ck_cpu_has_fp16())
CK_ISA(BF16, "bf16", 20, CK_ISA_NEON, ck_cpu_has_bf16())
#endif
