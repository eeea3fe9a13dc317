// One vector of a chunk. Include inside CK_TARGET_BEGIN(...), after
//   CK_MASK_LOAD(p, bits)  the elements at p at the places of the bits, zero elsewhere
//   CK_MASK_TYPE           unsigned integer of as many bits as a vector has elements
//   CK_MASK_ELEMENT        bytes
CK_INLINE __m512i ck_mask_take(const char *mask, const char **values) {
  CK_MASK_TYPE bits;
  __builtin_memcpy(&bits, mask, sizeof bits);
  const __m512i v = CK_MASK_LOAD(*values, bits);
  *values += CK_MASK_ELEMENT * (size_t)__builtin_popcountll(bits);
  return v;
}
CK_INLINE const char *ck_mask_vector(char *to, const char *mask, const char *values) {
  _mm512_storeu_si512(to, ck_mask_take(mask, &values));
  return values;
}
