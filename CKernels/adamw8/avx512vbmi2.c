// 8-bit AdamW where bytes can be looked up in registers: 64 codes at a time. See ck_adamw8.h.
#include "adamw8/adamw8.h"
#if defined(__x86_64__)
#include "runtime/isa.h"
#include "runtime/target.h"
#include <immintrin.h>
CK_TARGET_BEGIN(CK_TARGET_AVX512VBMI2)
#define CK_LANES 16
#define CK_NEEDS CK_ISA_AVX512VBMI2
#define CK_NAME(base) base##_avx512vbmi2
#include "vector/math.inc.h"

#include "adamw8/element.inc.h"

enum { GROUP = 64, VECTORS = GROUP / 16 };

// The low and the high bytes of values, 128 to a pair of registers.
typedef struct {
  __m512i low[2], high[2];
} planes;
CK_VECTOR planes load_planes(const uint8_t *low, const uint8_t *high) {
  return (planes){{_mm512_loadu_si512(low), _mm512_loadu_si512(low + 64)},
                  {_mm512_loadu_si512(high), _mm512_loadu_si512(high + 64)}};
}

// Byte 16 L + 8 (k / 2) + 2 j + k % 2 comes from element 16 k + 4 L + j: unpacking the bytes of two planes to words and
// taking every other word then gives vector k of the group, in order.
#define LANE(L)                                                                                                        \
  4 * L, 16 + 4 * L, 4 * L + 1, 17 + 4 * L, 4 * L + 2, 18 + 4 * L, 4 * L + 3, 19 + 4 * L, 32 + 4 * L, 48 + 4 * L,      \
      33 + 4 * L, 49 + 4 * L, 34 + 4 * L, 50 + 4 * L, 35 + 4 * L, 51 + 4 * L
static const uint8_t spread[GROUP] = {LANE(0), LANE(1), LANE(2), LANE(3)};
#undef LANE
// Byte 4 d + {0, 2, 1, 3}[k] goes to element 16 k + d.
#define QUARTER(k)                                                                                                     \
  k, 4 + k, 8 + k, 12 + k, 16 + k, 20 + k, 24 + k, 28 + k, 32 + k, 36 + k, 40 + k, 44 + k, 48 + k, 52 + k, 56 + k,     \
      60 + k
static const uint8_t gathered[GROUP] = {QUARTER(0), QUARTER(2), QUARTER(1), QUARTER(3)};
#undef QUARTER

CK_VECTOR void widen(__m512i low, __m512i high, vfloat scale, vfloat to[VECTORS]) {
  const __m512i upper = _mm512_set1_epi32((int)0xffff0000);
  const __m512i a = _mm512_unpacklo_epi8(low, high), b = _mm512_unpackhi_epi8(low, high);
  to[0] = (vfloat)_mm512_slli_epi32(a, 16) * scale;
  to[1] = (vfloat)_mm512_and_si512(a, upper) * scale;
  to[2] = (vfloat)_mm512_slli_epi32(b, 16) * scale;
  to[3] = (vfloat)_mm512_and_si512(b, upper) * scale;
}

// The linear pieces of a code, see tables.h.
typedef struct {
  __m512i turn, slope[2], start[2];
} pieces;
CK_VECTOR pieces load_pieces(const uint16_t *slope, const uint16_t *start) {
  return (pieces){_mm512_loadu_si512(ck_adamw8_turn),
                  {_mm512_loadu_si512(slope), _mm512_loadu_si512(slope + 32)},
                  {_mm512_loadu_si512(start), _mm512_loadu_si512(start + 32)}};
}
CK_VECTOR __m512i encode(__m512i u, pieces p) {
  u = _mm512_max_epu16(u, _mm512_set1_epi16(0x3000));
  const __m512i e = _mm512_srli_epi16(u, 7);
  const __m512i turned = _mm512_add_epi16(u, _mm512_permutexvar_epi16(e, p.turn));
  const __m512i piece = _mm512_add_epi16(e, _mm512_srli_epi16(turned, 7));
  const __m512i s = _mm512_or_si512(_mm512_slli_epi16(u, 8), _mm512_set1_epi16((short)0x8000));
  const __m512i slope = _mm512_permutex2var_epi16(p.slope[0], piece, p.slope[1]);
  const __m512i start = _mm512_permutex2var_epi16(p.start[0], piece, p.start[1]);
  return _mm512_srli_epi16(_mm512_add_epi16(_mm512_mulhi_epu16(s, slope), start), 7);
}
// bf16 of x times `inverse`, halves away from zero: even words are those of the first vector.
CK_VECTOR __m512i narrow(const float *x, vfloat inverse) {
  const __m512i half = _mm512_set1_epi32(0x8000);
  const __m512i a = _mm512_add_epi32((__m512i)(vload(x) * inverse), half);
  const __m512i b = _mm512_add_epi32((__m512i)(vload(x + 16) * inverse), half);
  return _mm512_mask_blend_epi16(0xaaaaaaaa, _mm512_srli_epi32(a, 16), b);
}

static void block(const ck_adamw8_constants *constants, float scale, size_t count, float *w, const float *g, uint8_t *m,
                  uint8_t *v, float *m_scale, float *v_scale) {
  const ck_adamw8_constants k = *constants;
  _Alignas(64) float first[CK_ADAMW8_BLOCK], second[CK_ADAMW8_BLOCK];
  vfloat most = 0, greatest = 0;
  {
    const planes of_m = load_planes(ck_adamw8_m_low, ck_adamw8_m_high);
    const planes near_v = load_planes(ck_adamw8_v_low, ck_adamw8_v_high);
    const planes far_v = load_planes(ck_adamw8_v_low + 128, ck_adamw8_v_high + 128);
    const __m512i order = _mm512_loadu_si512(spread);
    const vfloat m_factor = *m_scale, v_factor = *v_scale;
    for (size_t i = 0; i < count; i += GROUP) {
      vfloat moments[VECTORS], squares[VECTORS];
      __m512i code = _mm512_permutexvar_epi8(order, _mm512_loadu_si512(m + i));
      __m512i low = _mm512_permutex2var_epi8(of_m.low[0], code, of_m.low[1]);
      __m512i high = _mm512_permutex2var_epi8(of_m.high[0], code, of_m.high[1]);
      high = _mm512_ternarylogic_epi64(high, code, _mm512_set1_epi8((char)128), 0xf8); // high | (code & 128)
      widen(low, high, m_factor, moments);
      code = _mm512_permutexvar_epi8(order, _mm512_loadu_si512(v + i));
      const __mmask64 far = _mm512_movepi8_mask(code);
      low = _mm512_mask_blend_epi8(far, _mm512_permutex2var_epi8(near_v.low[0], code, near_v.low[1]),
                                   _mm512_permutex2var_epi8(far_v.low[0], code, far_v.low[1]));
      high = _mm512_mask_blend_epi8(far, _mm512_permutex2var_epi8(near_v.high[0], code, near_v.high[1]),
                                    _mm512_permutex2var_epi8(far_v.high[0], code, far_v.high[1]));
      widen(low, high, v_factor, squares);
#pragma clang loop unroll(full)
      for (size_t j = 0; j < VECTORS; j++) {
        const size_t at = i + 16 * j;
        vfloat weight = vload(w + at);
        CK_NAME(adamw8_element)(&k, vload(g + at) * scale, &weight, &moments[j], &squares[j]);
        vstore(w + at, weight);
        vstore(first + at, moments[j]);
        vstore(second + at, squares[j]);
        most = vmax(vabs(moments[j]), most);
        greatest = vmax(squares[j], greatest);
      }
    }
  }
  const ck_adamw8_scale of_m = ck_adamw8_scale_of(vhighest(most)), of_v = ck_adamw8_scale_of(vhighest(greatest));
  *m_scale = of_m.scale;
  *v_scale = of_v.scale;
  const pieces m_pieces = load_pieces(ck_adamw8_m_slope, ck_adamw8_m_start);
  const pieces v_pieces = load_pieces(ck_adamw8_v_slope, ck_adamw8_v_start);
  const __m512i order = _mm512_loadu_si512(gathered), magnitude = _mm512_set1_epi16(0x7fff);
  for (size_t i = 0; i < count; i += GROUP) {
    const __m512i a = narrow(first + i, of_m.inverse), b = narrow(first + i + 32, of_m.inverse);
    __m512i x = encode(_mm512_and_si512(a, magnitude), m_pieces);
    __m512i y = _mm512_slli_epi16(encode(_mm512_and_si512(b, magnitude), m_pieces), 8);
    x = _mm512_ternarylogic_epi64(x, _mm512_srli_epi16(a, 8), _mm512_set1_epi16(128), 0xf8);
    y = _mm512_ternarylogic_epi64(y, b, _mm512_set1_epi16((short)0x8000), 0xf8);
    _mm512_storeu_si512(m + i, _mm512_permutexvar_epi8(order, _mm512_or_si512(x, y)));
    const __m512i c = narrow(second + i, of_v.inverse), d = narrow(second + i + 32, of_v.inverse);
    const __m512i one = _mm512_set1_epi16(1);
    x = encode(c, v_pieces);
    y = encode(d, v_pieces);
    x = _mm512_mask_max_epu16(x, _mm512_test_epi16_mask(c, c), x, one);
    y = _mm512_mask_max_epu16(y, _mm512_test_epi16_mask(d, d), y, one);
    _mm512_storeu_si512(v + i, _mm512_permutexvar_epi8(order, _mm512_or_si512(x, _mm512_slli_epi16(y, 8))));
  }
}

void ck_adamw8_avx512vbmi2(const float *constants, float scale, size_t count, float *w, const float *g,
                           char *const *state, ptrdiff_t ahead) {
  CK_NAME(adamw8_rule)(block, GROUP, constants, scale, count, w, g, state, ahead);
}
CK_TARGET_END
#endif
