// CK_MATMUL(TYPE, type, ISA, isa): the one list of matrix product kernels, grouped by product in the order of
// ck_product, best first within a product. ck_matmul_<type>_<isa> is described in <type>_<isa>.c.
#if defined(__x86_64__)
CK_MATMUL(F32, f32, AVX512, avx512)
CK_MATMUL(F32, f32, AVX2, avx2)
#endif
CK_MATMUL(F32, f32, PORTABLE, portable)
#if defined(__x86_64__)
CK_MATMUL(BF16, bf16, AMXBF16, amxbf16)
CK_MATMUL(BF16, bf16, AVX512BF16, avx512bf16)
CK_MATMUL(BF16, bf16, AVX512, avx512)
CK_MATMUL(BF16, bf16, AVX2, avx2)
#endif
CK_MATMUL(BF16, bf16, PORTABLE, portable)
#if defined(__x86_64__)
CK_MATMUL(F16, f16, AVX512, avx512)
CK_MATMUL(F16, f16, AVX2, avx2)
#endif
CK_MATMUL(F16, f16, PORTABLE, portable)
#if defined(__x86_64__)
CK_MATMUL(S8, s8, AMXINT8, amxint8)
CK_MATMUL(S8, s8, AVX512VNNI, avx512vnni)
CK_MATMUL(S8, s8, AVX2, avx2)
#endif
CK_MATMUL(S8, s8, PORTABLE, portable)
#if defined(__x86_64__)
CK_MATMUL(U8S8, u8s8, AMXINT8, amxint8)
CK_MATMUL(U8S8, u8s8, AVX512VNNI, avx512vnni)
CK_MATMUL(U8S8, u8s8, AVX2, avx2)
#endif
CK_MATMUL(U8S8, u8s8, PORTABLE, portable)
#if defined(__x86_64__)
CK_MATMUL(F32S8, f32s8, AVX512, avx512)
CK_MATMUL(F32S8, f32s8, AVX2, avx2)
#endif
CK_MATMUL(F32S8, f32s8, PORTABLE, portable)
#if defined(__x86_64__)
CK_MATMUL(BF16S8, bf16s8, AVX512BF16, avx512bf16)
CK_MATMUL(BF16S8, bf16s8, AVX512, avx512)
CK_MATMUL(BF16S8, bf16s8, AVX2, avx2)
#endif
CK_MATMUL(BF16S8, bf16s8, PORTABLE, portable)
#if defined(__x86_64__)
CK_MATMUL(S8S4G32, s8s4g32, AVX512VNNI, avx512vnni)
CK_MATMUL(S8S4G32, s8s4g32, AVX2, avx2)
#endif
CK_MATMUL(S8S4G32, s8s4g32, PORTABLE, portable)
#if defined(__x86_64__)
CK_MATMUL(S8S4G128, s8s4g128, AVX512VNNI, avx512vnni)
CK_MATMUL(S8S4G128, s8s4g128, AVX2, avx2)
#endif
CK_MATMUL(S8S4G128, s8s4g128, PORTABLE, portable)
#if defined(__x86_64__)
CK_MATMUL(S8U4G32, s8u4g32, AVX512VNNI, avx512vnni)
CK_MATMUL(S8U4G32, s8u4g32, AVX2, avx2)
#endif
CK_MATMUL(S8U4G32, s8u4g32, PORTABLE, portable)
#if defined(__x86_64__)
CK_MATMUL(S8U4G128, s8u4g128, AVX512VNNI, avx512vnni)
CK_MATMUL(S8U4G128, s8u4g128, AVX2, avx2)
#endif
CK_MATMUL(S8U4G128, s8u4g128, PORTABLE, portable)
#if defined(__x86_64__)
CK_MATMUL(BF16S4G32, bf16s4g32, AVX512BF16, avx512bf16)
CK_MATMUL(BF16S4G32, bf16s4g32, AVX512, avx512)
CK_MATMUL(BF16S4G32, bf16s4g32, AVX2, avx2)
#endif
CK_MATMUL(BF16S4G32, bf16s4g32, PORTABLE, portable)
#if defined(__x86_64__)
CK_MATMUL(BF16S4G128, bf16s4g128, AVX512BF16, avx512bf16)
CK_MATMUL(BF16S4G128, bf16s4g128, AVX512, avx512)
CK_MATMUL(BF16S4G128, bf16s4g128, AVX2, avx2)
#endif
CK_MATMUL(BF16S4G128, bf16s4g128, PORTABLE, portable)
#if defined(__x86_64__)
CK_MATMUL(BF16U4G32, bf16u4g32, AVX512BF16, avx512bf16)
CK_MATMUL(BF16U4G32, bf16u4g32, AVX512, avx512)
CK_MATMUL(BF16U4G32, bf16u4g32, AVX2, avx2)
#endif
CK_MATMUL(BF16U4G32, bf16u4g32, PORTABLE, portable)
#if defined(__x86_64__)
CK_MATMUL(BF16U4G128, bf16u4g128, AVX512BF16, avx512bf16)
CK_MATMUL(BF16U4G128, bf16u4g128, AVX512, avx512)
CK_MATMUL(BF16U4G128, bf16u4g128, AVX2, avx2)
#endif
CK_MATMUL(BF16U4G128, bf16u4g128, PORTABLE, portable)
