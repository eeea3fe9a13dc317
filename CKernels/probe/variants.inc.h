// CK_PROBE(NAME, needs, type, operations per iteration), best first within a type.
#if defined(__x86_64__)
CK_PROBE(bf16_avx512bf16, CK_ISA_AVX512BF16, CK_PROBE_BF16, 24 * 64)
CK_PROBE(s8_avx512vnni, CK_ISA_AVX512VNNI, CK_PROBE_S8, 24 * 128)
CK_PROBE(f32_avx512, CK_ISA_AVX512, CK_PROBE_F32, 24 * 32)
CK_PROBE(s8_avx2, CK_ISA_AVX2, CK_PROBE_S8, 12 * 32)
CK_PROBE(f32_avx2, CK_ISA_AVX2, CK_PROBE_F32, 12 * 16)
#endif
CK_PROBE(f32_portable, CK_ISA_PORTABLE, CK_PROBE_F32, 12 * 8)
