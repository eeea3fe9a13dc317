// Expanding a panel while the one before it is multiplied, a few vectors at a time, so that the ports and the memory
// that this takes are those that the products leave idle. Include inside CK_TARGET_BEGIN(...), after
//   CK_MASK_LOAD(p, bits), CK_MASK_TYPE, CK_MASK_ELEMENT  as in tile_masked_avx512.inc.h
CK_INLINE void ck_mask_some(ck_mask_ahead *ahead, size_t most) {
  const size_t count = ck_min(ck_min(most, ahead->chunk), ahead->share);
  const char *mask = ahead->mask, *values = ahead->values;
  char *to = ahead->to;
#pragma clang loop unroll(disable)
  for (size_t v = 0; v < count; v++, to += CK_MASK_VECTOR) {
    CK_MASK_TYPE bits;
    __builtin_memcpy(&bits, mask, sizeof bits);
    ck_mask_fetch(values);
    _mm512_store_si512(to, CK_MASK_LOAD(values, bits));
    mask += sizeof bits;
    values += CK_MASK_ELEMENT * (size_t)__builtin_popcountll(bits);
  }
  ahead->chunk -= count;
  ahead->left -= count;
  ahead->share -= count;
  ahead->to = to;
  if (ahead->chunk == 0) {
    ahead->chunk = ck_min(ahead->left, CK_MASK_CHUNK / CK_MASK_VECTOR);
    mask = values;
    values += ahead->chunk * sizeof(CK_MASK_TYPE);
  }
  ahead->mask = mask;
  ahead->values = values;
}
// What is left of the share.
CK_INLINE void ck_mask_rest(ck_mask_ahead *ahead) {
  while (ahead->share > 0) ck_mask_some(ahead, ahead->share);
}
