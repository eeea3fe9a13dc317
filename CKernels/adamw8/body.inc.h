// 8-bit AdamW at any width: codes are looked up one vector at a time. See ck_adamw8.h.
#include "vector/math.inc.h"

#include "adamw8/element.inc.h"

typedef uint8_t CK_NAME(bytes) __attribute__((ext_vector_type(CK_LANES)));

// table[index], lane by lane; one more element may be read.
CK_VECTOR vuint CK_NAME(look_up)(const uint16_t *table, vuint index) {
#if CK_LANES == 16
  return (vuint)_mm512_i32gather_epi32((__m512i)index, table, 2) & 0xffff;
#elif CK_LANES == 8
  return (vuint)_mm256_i32gather_epi32((const int *)table, (__m256i)index, 2) & 0xffff;
#else
  return (vuint){table[index[0]], table[index[1]], table[index[2]], table[index[3]]};
#endif
}

CK_VECTOR vuint CK_NAME(load_codes)(const uint8_t *p) {
  CK_NAME(bytes) b;
  __builtin_memcpy(&b, p, sizeof b);
  return __builtin_convertvector(b, vuint);
}
CK_VECTOR void CK_NAME(store_codes)(uint8_t *p, vuint codes) {
  CK_NAME(bytes) b = __builtin_convertvector(codes, CK_NAME(bytes));
  __builtin_memcpy(p, &b, sizeof b);
}

// u: magnitudes over the scale, in bf16.
CK_VECTOR vuint CK_NAME(encode)(vuint u, const uint16_t *slope, const uint16_t *start) {
  u = u > 0x3000 ? u : (vuint)(0x3000);
  vuint e = u >> 7, piece = (e + ((u + CK_NAME(look_up)(ck_adamw8_turn, e & 31)) >> 7)) & 63;
  vuint s = (u << 8 | 0x8000) & 0xffff;
  return ((s * CK_NAME(look_up)(slope, piece) >> 16) + CK_NAME(look_up)(start, piece)) >> 7 & 0xff;
}

static void CK_NAME(adamw8_block)(const ck_adamw8_constants *k, float scale, size_t count, float *w, const float *g,
                                  uint8_t *m, uint8_t *v, float *m_scale, float *v_scale) {
  float first[CK_ADAMW8_BLOCK], second[CK_ADAMW8_BLOCK];
  vfloat most = 0, greatest = 0;
  for (size_t i = 0; i < count; i += CK_LANES) {
    vuint code = CK_NAME(load_codes)(m + i);
    vuint value = CK_NAME(look_up)(ck_adamw8_m_values, code & 127) << 16 | (code & 128) << 24;
    vfloat moment = (vfloat)value * *m_scale, weight = vload(w + i);
    vfloat square = (vfloat)(CK_NAME(look_up)(ck_adamw8_v_values, CK_NAME(load_codes)(v + i)) << 16) * *v_scale;
    CK_NAME(adamw8_element)(k, vload(g + i) * scale, &weight, &moment, &square);
    vstore(w + i, weight);
    vstore(first + i, moment);
    vstore(second + i, square);
    most = vmax(vabs(moment), most);
    greatest = vmax(square, greatest);
  }
  const ck_adamw8_scale of_m = ck_adamw8_scale_of(vhighest(most)), of_v = ck_adamw8_scale_of(vhighest(greatest));
  *m_scale = of_m.scale;
  *v_scale = of_v.scale;
  for (size_t i = 0; i < count; i += CK_LANES) {
    vuint u = (vuint)(vload(first + i) * of_m.inverse) + 0x8000;
    vuint code = CK_NAME(encode)(u >> 16 & 0x7fff, ck_adamw8_m_slope, ck_adamw8_m_start);
    CK_NAME(store_codes)(m + i, code | (u >> 24 & 128));
    u = ((vuint)(vload(second + i) * of_v.inverse) + 0x8000) >> 16;
    code = CK_NAME(encode)(u, ck_adamw8_v_slope, ck_adamw8_v_start);
    CK_NAME(store_codes)(v + i, code == 0 && u != 0 ? (vuint)(1) : code);
  }
}

static void CK_NAME(adamw8)(const float *constants, float scale, size_t count, float *w, const float *g,
                            char *const *state, ptrdiff_t ahead) {
  CK_NAME(adamw8_rule)(CK_NAME(adamw8_block), CK_LANES, constants, scale, count, w, g, state, ahead);
}
