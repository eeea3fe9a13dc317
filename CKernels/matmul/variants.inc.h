// CK_MATMUL(TYPE, type, ISA, isa): the one list of matrix product kernels, grouped by product in the order of
// ck_product, best first within a product. ck_matmul_<type>_<isa> is described in <type>_<isa>.c.
#if defined(__x86_64__)
CK_MATMUL(F32, f32, AVX512, avx512)
CK_MATMUL(F32, f32, AVX2, avx2)
#endif
CK_MATMUL(F32, f32, PORTABLE, portable)
#if defined(__x86_64__)
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
CK_MATMUL(S8, s8, AVX512VNNI, avx512vnni)
CK_MATMUL(S8, s8, AVX2, avx2)
#endif
CK_MATMUL(S8, s8, PORTABLE, portable)
#if defined(__x86_64__)
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
