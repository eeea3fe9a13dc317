// Between elements in memory and registers: as f32, as packed words, and what one word of a product is.

#if defined(CK_HALVES)
#define CK_ELEMENT uint16_t
CK_VECTOR vfloat CK_NAME(read)(const uint16_t *p) { return CK_NAME(ck_load_bf16)(p); }
CK_VECTOR vfloat CK_NAME(read_part)(const uint16_t *p, size_t n) { return CK_NAME(ck_load_bf16_part)(p, n); }
CK_VECTOR void CK_NAME(write)(uint16_t *p, vfloat v) { CK_NAME(ck_store_bf16)(p, v); }
CK_VECTOR void CK_NAME(write_part)(uint16_t *p, size_t n, vfloat v) { CK_NAME(ck_store_bf16_part)(p, n, v); }
#else
#define CK_ELEMENT float
CK_VECTOR vfloat CK_NAME(read)(const float *p) { return vload(p); }
CK_VECTOR vfloat CK_NAME(read_part)(const float *p, size_t n) { return vload_part(p, n, 0); }
CK_VECTOR void CK_NAME(write)(float *p, vfloat v) { vstore(p, v); }
CK_VECTOR void CK_NAME(write_part)(float *p, size_t n, vfloat v) { vstore_part(p, n, v); }
#endif

#define CK_STEP (CK_LANES * CK_GROUP) // elements in a vector of words

#if CK_GROUP == 2
CK_VECTOR vfloat CK_NAME(read_words)(const uint16_t *p) {
  vfloat v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}

CK_VECTOR vfloat CK_NAME(read_words_part)(const uint16_t *p, size_t n) { // n < CK_STEP
  return (vfloat)_mm512_maskz_loadu_epi16((__mmask32)((1u << n) - 1), p);
}

// Lane by lane a word of the elements of two rows.
CK_VECTOR vfloat CK_NAME(pair)(vhalf even, vhalf odd) {
  return (vfloat)(__builtin_convertvector(even, vuint) | (vuint)vwiden_bf16(odd));
}

// sum + a b, in each lane over the group of a word.
CK_VECTOR vfloat CK_NAME(dot)(vfloat a, vfloat b, vfloat sum) {
  return (vfloat)_mm512_dpbf16_ps((__m512)sum, (__m512bh)a, (__m512bh)b);
}

// 2 * CK_LANES neighbours of a row, as words.
CK_VECTOR vfloat CK_NAME(narrow_words)(vfloat low, vfloat high) {
  return (vfloat)_mm512_cvtne2ps_pbh((__m512)high, (__m512)low);
}
#else
CK_VECTOR vfloat CK_NAME(read_words)(const CK_ELEMENT *p) { return CK_NAME(read)(p); }
CK_VECTOR vfloat CK_NAME(read_words_part)(const CK_ELEMENT *p, size_t n) { return CK_NAME(read_part)(p, n); }
CK_VECTOR vfloat CK_NAME(dot)(vfloat a, vfloat b, vfloat sum) { return vfma(a, b, sum); }
#endif

// A word in all lanes.
CK_VECTOR vfloat CK_NAME(broadcast)(const float *p) {
#if CK_LANES == 16
  // Of the intrinsic compilers make vbroadcastss, which on Zen 4 takes a turn of an arithmetic port besides the load.
  vfloat lanes;
  __asm__("vpbroadcastd %1, %0" : "=v"(lanes) : "m"(*p));
  return lanes;
#else
  return (vfloat)(*p);
#endif
}
