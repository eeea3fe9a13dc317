// Two vectors at once for operations to which the order of elements does not matter. Needs vector/typed.inc.h first.
//
//   vload_two vstore_two   2 * CK_LANES elements from element i on. bf16 come and go as 32-bit words, whose lower
//   halves
//                          are the first vector and whose upper halves the second: no element moves between lanes. What
//                          is stored as bf16 was computed from bf16. `streams`: around the caches, p + i aligned to
//                          what is stored
#ifndef CK_VECTOR_PAIRS_H
#define CK_VECTOR_PAIRS_H
#define vload_two CK_NAME(ck_vload_two)
#define vstore_two CK_NAME(ck_vstore_two)
#define vfence CK_NAME(ck_vfence)
#endif

CK_VECTOR void vload_two(const void *p, size_t i, ck_type type, vfloat v[2]) {
  if (type == CK_BF16) {
    vuint words;
    __builtin_memcpy(&words, (const uint16_t *)p + i, sizeof words);
    v[0] = (vfloat)(words << 16);
    v[1] = (vfloat)(words & 0xffff0000u);
  } else {
    v[0] = vload((const float *)p + i);
    v[1] = vload((const float *)p + i + CK_LANES);
  }
}

CK_VECTOR void vstore_two(void *p, size_t i, const vfloat v[2], ck_type type, bool streams) {
  if (type == CK_BF16) {
    // As vround_bf16 but for NaN: those that come from operands in bf16, or from none, have nothing in their lower
    // halves, and no carry leaves them.
    vuint a = (vuint)v[0], b = (vuint)v[1];
    a += 0x7fff + (a >> 16 & 1), b += 0x7fff + (b >> 16 & 1);
    vuint words = a >> 16 | (b & 0xffff0000u);
    if (streams)
      __builtin_nontemporal_store(words, (vuint *)((uint16_t *)p + i));
    else
      __builtin_memcpy((uint16_t *)p + i, &words, sizeof words);
  } else {
    vstore_pair_as(p, i, v[0], v[1], type, streams);
  }
}

// After streaming: other workers must see the lines after the barrier.
CK_VECTOR void vfence(bool streams) {
#if defined(__x86_64__)
  if (streams) __builtin_ia32_sfence();
#endif
}
