// Packing of 32-bit units for AVX-512: an f32, or four neighbouring s8 of one row, which is the K-group of vpdpbusd.
// Include inside CK_TARGET_BEGIN(...).
#include "runtime/target.h"
#include <immintrin.h>
#include <string.h>

// 16 x 16 transpose of 32-bit units: out[j] lane i = in[i] lane j.
CK_INLINE void ck_transpose16(__m512i r[16]) {
  __m512i t[16];
#pragma clang loop unroll(full)
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
    t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
  }
  // r[4q + c]: column c of each 128-bit block, rows 4q ..< 4q + 4
#pragma clang loop unroll(full)
  for (int i = 0; i < 16; i += 4) {
    r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
    r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
    r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
    r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
  // 4 x 4 transpose of 128-bit blocks between r[c], r[4 + c], r[8 + c] and r[12 + c]
#pragma clang loop unroll(full)
  for (int c = 0; c < 4; c++) {
    __m512i a = _mm512_shuffle_i32x4(r[c], r[4 + c], 0x44), b = _mm512_shuffle_i32x4(r[c], r[4 + c], 0xee);
    __m512i d = _mm512_shuffle_i32x4(r[8 + c], r[12 + c], 0x44), e = _mm512_shuffle_i32x4(r[8 + c], r[12 + c], 0xee);
    t[c] = _mm512_shuffle_i32x4(a, d, 0x88);
    t[4 + c] = _mm512_shuffle_i32x4(a, d, 0xdd);
    t[8 + c] = _mm512_shuffle_i32x4(b, e, 0x88);
    t[12 + c] = _mm512_shuffle_i32x4(b, e, 0xdd);
  }
#pragma clang loop unroll(full)
  for (int i = 0; i < 16; i++) r[i] = t[i];
}

// Rows that are contiguous along K -> unit g of row i at panel[g * width + i], for i < rows <= 16. Stores 16 lanes at a
// time, in increasing order of g, so that what is written past the rows is overwritten by the next g; the last one may
// reach CK_MATMUL_SLACK past the end. bytes: of a row; the last unit is padded with zeros, then `flip` is applied.
CK_INLINE void ck_pack_rows16(int32_t *panel, size_t width, const char *source, size_t stride, size_t rows,
                              size_t bytes, __m512i flip) {
  size_t done = 0;
  for (; done + 64 <= bytes; done += 64, source += 64, panel += 16 * width) {
    __m512i r[16];
#pragma clang loop unroll(full)
    for (size_t i = 0; i < 16; i++)
      r[i] = i < rows ? _mm512_xor_si512(_mm512_loadu_si512(source + i * stride), flip) : _mm512_setzero_si512();
    ck_transpose16(r);
#pragma clang loop unroll(full)
    for (size_t g = 0; g < 16; g++) _mm512_storeu_si512(panel + g * width, r[g]);
  }
  if (done == bytes) return;
  __mmask64 mask = ~UINT64_C(0) >> (64 - (bytes - done));
  __m512i r[16];
#pragma clang loop unroll(full)
  for (size_t i = 0; i < 16; i++)
    r[i] =
        i < rows ? _mm512_xor_si512(_mm512_maskz_loadu_epi8(mask, source + i * stride), flip) : _mm512_setzero_si512();
  ck_transpose16(r);
  for (size_t g = 0; g < (bytes - done + 3) / 4; g++) _mm512_storeu_si512(panel + g * width, r[g]);
}

CK_INLINE __mmask16 ck_mask16(size_t count) { return count >= 16 ? 0xffff : (__mmask16)((1u << count) - 1); }

// A K-group of A in all lanes. Compilers make vbroadcastss of the intrinsic when floats are multiplied, which on Zen 4
// takes a turn of an arithmetic port besides the load; vpbroadcastd does not. It matters as soon as B is converted on
// the way: bf16 x s8 gains a quarter at 8 rows.
CK_INLINE __m512i ck_broadcast(const char *a) {
  typedef struct __attribute__((packed)) {
    int32_t bits;
  } group;
  __m512i lanes;
  __asm__("vpbroadcastd %1, %0" : "=v"(lanes) : "m"(*(const group *)a));
  return lanes;
}

// Rows of a panel of A, at most.
enum { CK_MR = 14 };

// Rows of A, contiguous along K, as K-groups; flip: what every byte is xored with.
CK_INLINE void ck_pack_a_rows(void *panel, const char *at, size_t stride, size_t rows, size_t bytes, __m512i flip) {
  if (rows == CK_MR)
    ck_pack_rows16(panel, CK_MR, at, stride, CK_MR, bytes, flip);
  else
    ck_pack_rows16(panel, rows, at, stride, rows, bytes, flip);
}
