// CK_BLOCKS(TYPE, type, ISA, isa): kernels of weights in blocks, best first within a product. ck_blocks_<type>_<isa> is
// in blocks_<type>_<isa>.c.
#if defined(__x86_64__)
CK_BLOCKS(F32, f32, AVX512, avx512)
CK_BLOCKS(F32, f32, AVX2, avx2)
#endif
CK_BLOCKS(F32, f32, PORTABLE, portable)
#if defined(__x86_64__)
CK_BLOCKS(BF16, bf16, AMXBF16, amxbf16)
CK_BLOCKS(BF16, bf16, AVX512BF16, avx512bf16)
CK_BLOCKS(BF16, bf16, AVX2, avx2)
#endif
CK_BLOCKS(BF16, bf16, PORTABLE, portable)
#if defined(__x86_64__)
CK_BLOCKS(S8, s8, AMXINT8, amxint8)
CK_BLOCKS(S8, s8, AVX512VNNI, avx512vnni)
CK_BLOCKS(S8, s8, AVX2, avx2)
#endif
CK_BLOCKS(S8, s8, PORTABLE, portable)
