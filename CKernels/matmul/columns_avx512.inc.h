// Panels of B for AVX-512 and AMX: 32 columns. Include after matmul/dwords_avx512.inc.h.
enum { CK_NR = 32 };

// Columns of B, contiguous along K, as K-groups.
CK_INLINE void ck_pack_b_rows(void *panel, const char *at, size_t stride, size_t columns, size_t bytes) {
  const __m512i none = _mm512_setzero_si512();
  const size_t low = ck_min(columns, 16), high = columns - low;
  int32_t *to = panel;
  if (columns == CK_NR) {
    ck_pack_rows16(to, CK_NR, at, stride, 16, bytes, none);
    ck_pack_rows16(to + 16, CK_NR, at + 16 * stride, stride, 16, bytes, none);
  } else {
    ck_pack_rows16(to, CK_NR, at, stride, low, bytes, none);
    ck_pack_rows16(to + 16, CK_NR, at + low * stride, stride, high, bytes, none);
  }
}
