// 8-bit weights on AVX-512 for products that are not of integers. A unit is four steps of K of 32 columns, and the 32
// bits of a column hold its four steps. They become f32 in registers; of every route this one loads the fewest ports of
// Zen 4:
//   steps 0, 1, 2   vpblendmb puts the byte, as w + 128, into the mantissa of 2^23 (the lowest byte) or of 2^15 (the
//   one
//                   above it), and a subtraction takes that number and 128 off. Step 2 is moved down by vpshufb.
//   step 3          vpsrad extends the sign, vcvtdq2ps converts
// One of three ports, one of two, one of two: vpmovsxbd and vcvtdq2ps, on fewer ports, take a quarter longer.
// Include inside CK_TARGET_BEGIN(...).
#include <immintrin.h>

enum { CK_QUAD = 4 };
// Of the bytes that are fetched ahead few are needed while others are on their way. Measured on Zen 4 for M = 1: 31
// GB/s a core from 4096 on, 28 at 3072 and 21 at 2048.
#define CK_STREAM_AHEAD(rows) 8192

// What the packed bytes of a column are xored with: three of them are unsigned.
CK_INLINE __m512i ck_quad_flip(void) { return _mm512_set1_epi32(0x00808080); }

// Bytes of `from`, chosen by `order`, where the mask has ones; else those of `into`. As an instruction, because the
// compiler makes two of the intrinsic when it knows the mask and the order.
CK_INLINE __m512i ck_shuffle_into(__m512i into, __mmask64 mask, __m512i from, __m512i order) {
  __asm__("vpshufb %2, %1, %0 %{%3%}" : "+v"(into) : "v"(from), "v"(order), "Yk"(mask));
  return into;
}

CK_INLINE __m512 ck_quad_f32(__m512i quads, size_t step) {
  const __m512i high = _mm512_set1_epi32(0x4b000000);   // 2^23
  const __m512i middle = _mm512_set1_epi32(0x47000000); // 2^15
  switch (step) {
  case 0:
    return _mm512_sub_ps(_mm512_castsi512_ps(_mm512_mask_blend_epi8(0x1111111111111111, high, quads)),
                         _mm512_set1_ps(0x1p23f + 128));
  case 1:
    return _mm512_sub_ps(_mm512_castsi512_ps(_mm512_mask_blend_epi8(0x2222222222222222, middle, quads)),
                         _mm512_set1_ps(0x1p15f + 128));
  case 2: {
    const __m512i down = _mm512_broadcast_i32x4(_mm_setr_epi8(2, 0, 0, 0, 6, 0, 0, 0, 10, 0, 0, 0, 14, 0, 0, 0));
    return _mm512_sub_ps(_mm512_castsi512_ps(ck_shuffle_into(high, 0x1111111111111111, quads, down)),
                         _mm512_set1_ps(0x1p23f + 128));
  }
  default:
    return _mm512_cvtepi32_ps(_mm512_srai_epi32(quads, 24));
  }
}
