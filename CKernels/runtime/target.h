#ifndef CK_TARGET_H
#define CK_TARGET_H
// SwiftPM gives one flag set to a whole target, so a file that needs an instruction set says so itself.
#define CK_PRAGMA(text) _Pragma(#text)
#if defined(__clang__)
#define CK_TARGET_BEGIN(features)                                                                                      \
  CK_PRAGMA(clang attribute push(__attribute__((target(features))), apply_to = function))
#define CK_TARGET_END CK_PRAGMA(clang attribute pop)
#else
#define CK_TARGET_BEGIN(features) CK_PRAGMA(GCC push_options) CK_PRAGMA(GCC target(features))
#define CK_TARGET_END CK_PRAGMA(GCC pop_options)
#endif
#define CK_TARGET_AVX2 "avx2,fma,f16c,bmi,bmi2"
#define CK_TARGET_AVX512 CK_TARGET_AVX2 ",avx512f,avx512bw,avx512vl,avx512dq,avx512cd"
#define CK_TARGET_AVX512VNNI CK_TARGET_AVX512 ",avx512vnni"
#define CK_TARGET_AVX512VBMI2 CK_TARGET_AVX512 ",avx512vbmi,avx512vbmi2"
#define CK_TARGET_AVX512BF16 CK_TARGET_AVX512 ",avx512bf16"
#define CK_TARGET_AMXINT8 CK_TARGET_AVX512VNNI ",amx-tile,amx-int8"
#define CK_TARGET_AMXBF16 CK_TARGET_AVX512BF16 ",amx-tile,amx-bf16"
#endif
