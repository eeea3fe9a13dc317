// Compiles one body at every vector width this build has. Before including this file define
//   CK_BODY  "operation/body.inc.h", a file of functions written on GNU vector types with
//     CK_LANES       32-bit lanes per vector (4, 8 or 16)
//     CK_NAME(base)  base with the width's suffix
//     CK_NEEDS       the instruction set bits of this width
//     CK_WIDTH_NAME  its name as a string
// The table of variants of an operation is written with CK_EACH_WIDTH(X), best first.
#include "runtime/isa.h"
#include "runtime/target.h"
#if defined(__x86_64__)
#include <immintrin.h> // before any region with a target of its own
#endif
#define CK_JOIN_(a, b) a##_##b
#define CK_JOIN(a, b) CK_JOIN_(a, b)
#define CK_NAME(base) CK_JOIN(base, CK_SUFFIX)

#if defined(__x86_64__)
#define CK_SUFFIX avx512
#define CK_LANES 16
#define CK_NEEDS CK_ISA_AVX512
#define CK_WIDTH_NAME "avx512"
CK_TARGET_BEGIN(CK_TARGET_AVX512)
#include CK_BODY
CK_TARGET_END
#undef CK_SUFFIX
#undef CK_LANES
#undef CK_NEEDS
#undef CK_WIDTH_NAME

#define CK_SUFFIX avx2
#define CK_LANES 8
#define CK_NEEDS CK_ISA_AVX2
#define CK_WIDTH_NAME "avx2"
CK_TARGET_BEGIN(CK_TARGET_AVX2)
#include CK_BODY
CK_TARGET_END
#undef CK_SUFFIX
#undef CK_LANES
#undef CK_NEEDS
#undef CK_WIDTH_NAME
#define CK_EACH_WIDTH(X) X(avx512) X(avx2) X(portable)
#else
#define CK_EACH_WIDTH(X) X(portable)
#endif

#define CK_SUFFIX portable
#define CK_LANES 4
#define CK_NEEDS CK_ISA_PORTABLE
#define CK_WIDTH_NAME "portable"
#include CK_BODY
#undef CK_SUFFIX
#undef CK_LANES
#undef CK_NEEDS
#undef CK_WIDTH_NAME
