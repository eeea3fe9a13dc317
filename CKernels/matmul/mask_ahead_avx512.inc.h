// Expanding a panel while the one before it is multiplied, a few vectors at a time, so that the ports and the memory
// that this takes are those that the products leave idle. Include inside CK_TARGET_BEGIN(...), after
// matmul/mask_vector_avx512.inc.h.
CK_INLINE void ck_mask_some(ck_mask_ahead *ahead, size_t most) {
  const size_t count = ck_min(ck_min(most, ahead->chunk), ahead->share);
  const char *mask = ahead->mask, *values = ahead->values;
  char *to = ahead->to;
#pragma clang loop unroll(disable)
  for (size_t v = 0; v < count; v++, to += CK_MASK_VECTOR, mask += sizeof(CK_MASK_TYPE))
    values = ck_mask_vector(to, mask, values);
  ahead->chunk -= count;
  ahead->left -= count;
  ahead->share -= count;
  ahead->to = to;
  if (ahead->chunk == 0) {
    ahead->chunk = ck_min(ahead->left, CK_MASK_CHUNK / CK_MASK_VECTOR);
    mask = values;
    ck_mask_fetch(mask, ahead->lines);
    values += ahead->chunk * sizeof(CK_MASK_TYPE);
  }
  ahead->mask = mask;
  ahead->values = values;
}
// What is left of the share.
CK_INLINE void ck_mask_rest(ck_mask_ahead *ahead) {
  while (ahead->share > 0) ck_mask_some(ahead, ahead->share);
}
