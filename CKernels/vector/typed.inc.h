// Elements of a type that is a constant where these are inlined: f32 or bf16 in memory, f32 in registers. Needs
// vector/math.inc.h first. ck_type comes from ck_matmul.h.
//
//   vload_as vstore_as              CK_LANES elements from element i on
//   vload_part_as vstore_part_as    the first n of them; missing lanes load as a given value
//   vstore_pair_as                  2 * CK_LANES elements, `streams`: around the caches, p + i aligned to what is
//   stored
#include "vector/halves.inc.h"

#ifndef CK_VECTOR_TYPED_H
#define CK_VECTOR_TYPED_H
#define vload_as CK_NAME(ck_vload_as)
#define vload_part_as CK_NAME(ck_vload_part_as)
#define vstore_as CK_NAME(ck_vstore_as)
#define vstore_part_as CK_NAME(ck_vstore_part_as)
#define vstore_pair_as CK_NAME(ck_vstore_pair_as)
#define vstream_bf16_pair CK_NAME(ck_vstream_bf16_pair)
static inline size_t ck_bytes_of(ck_type type) { return type == CK_BF16 ? 2 : 4; }
#endif

CK_VECTOR vfloat vload_as(const void *p, size_t i, ck_type type) {
  return type == CK_BF16 ? CK_NAME(ck_load_bf16)((const uint16_t *)p + i) : vload((const float *)p + i);
}

CK_VECTOR vfloat vload_part_as(const void *p, size_t i, size_t n, float missing, ck_type type) {
  if (type != CK_BF16) return vload_part((const float *)p + i, n, missing);
  vfloat v = CK_NAME(ck_load_bf16_part)((const uint16_t *)p + i, n);
  return viota() < (int32_t)n ? v : (vfloat)(missing);
}

CK_VECTOR void vstore_as(void *p, size_t i, vfloat v, ck_type type) {
  if (type == CK_BF16)
    CK_NAME(ck_store_bf16)((uint16_t *)p + i, v);
  else
    vstore((float *)p + i, v);
}

CK_VECTOR void vstore_part_as(void *p, size_t i, size_t n, vfloat v, ck_type type) {
  if (type == CK_BF16)
    CK_NAME(ck_store_bf16_part)((uint16_t *)p + i, n, v);
  else
    vstore_part((float *)p + i, n, v);
}

// Around the caches, a whole line at a time with AVX-512. There the compiler would merge narrowing of a single vector
// and its store into vpmovdw to memory, which goes through the caches.
CK_VECTOR void vstream_bf16_pair(uint16_t *p, vfloat low, vfloat high) {
#if CK_LANES == 16
  uint16_t line[32] __attribute__((aligned(64)));
  vstore_bf16_pair(line, low, high);
  __builtin_nontemporal_store(*(const __m512i *)line, (__m512i *)p);
#else
  __builtin_nontemporal_store(vnarrow_bf16(low), (vhalf *)p);
  __builtin_nontemporal_store(vnarrow_bf16(high), (vhalf *)(p + CK_LANES));
#endif
}

CK_VECTOR void vstore_pair_as(void *p, size_t i, vfloat low, vfloat high, ck_type type, bool streams) {
  if (type == CK_BF16 && streams) {
    vstream_bf16_pair((uint16_t *)p + i, low, high);
  } else if (type == CK_BF16) {
    vstore_bf16_pair((uint16_t *)p + i, low, high);
  } else if (streams) {
    __builtin_nontemporal_store(low, (vfloat *)((float *)p + i));
    __builtin_nontemporal_store(high, (vfloat *)((float *)p + i + CK_LANES));
  } else {
    vstore((float *)p + i, low);
    vstore((float *)p + i + CK_LANES, high);
  }
}
