// Expanding a panel while the one before it is multiplied, chunk by chunk, so that the ports and the memory that this
// takes are those that the products leave idle. Include inside CK_TARGET_BEGIN(...), after
// matmul/mask_vector_avx512.inc.h.
CK_INLINE void ck_mask_next(ck_mask_ahead *ahead) {
  const size_t count = ck_min(ahead->left, CK_MASK_CHUNK / CK_MASK_VECTOR);
  const char *mask = ahead->from, *values = mask + count * sizeof(CK_MASK_TYPE);
  ck_mask_fetch(mask, ahead->lines);
  if (count == 8)
#pragma clang loop unroll(full)
    for (size_t v = 0; v < 8; v++)
      values = ck_mask_vector(ahead->to + v * CK_MASK_VECTOR, mask + v * sizeof(CK_MASK_TYPE), values);
  else
    for (size_t v = 0; v < count; v++)
      values = ck_mask_vector(ahead->to + v * CK_MASK_VECTOR, mask + v * sizeof(CK_MASK_TYPE), values);
  ahead->from = values;
  ahead->to += CK_MASK_CHUNK;
  ahead->left -= count;
}

// The share of a tile, spread evenly over its steps.
typedef struct ck_mask_pace {
  size_t due, share, steps;
} ck_mask_pace;
CK_INLINE ck_mask_pace ck_mask_pace_of(const ck_mask_ahead *ahead, size_t steps) {
  return (ck_mask_pace){.share = ahead->share, .steps = ck_max(steps, 1)};
}
CK_INLINE void ck_mask_step(ck_mask_pace *pace, ck_mask_ahead *ahead) {
  for (pace->due += pace->share; pace->due >= pace->steps; pace->due -= pace->steps) {
    ck_mask_next(ahead);
    ahead->share--;
  }
}
// What is left of the share.
CK_INLINE void ck_mask_rest(ck_mask_ahead *ahead) {
  for (; ahead->share > 0; ahead->share--) ck_mask_next(ahead);
}
