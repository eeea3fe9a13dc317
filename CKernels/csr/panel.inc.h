// Rows of a dense matrix into panels at each width: 32 rows side by side, one column after the other.
// r[i][j] = r[j][i]. A step moves the highest bit of an element's row to the end of its lane and the highest bit of the
// lane to the end of the row; after as many steps as there are bits, they have changed places.
CK_VECTOR void CK_NAME(csr_transpose)(vfloat r[CK_LANES]) {
#pragma clang loop unroll(full)
  for (int bit = 1; bit < CK_LANES; bit *= 2) {
    vfloat t[CK_LANES];
#pragma clang loop unroll(full)
    for (int i = 0; i < CK_LANES / 2; i++) {
      vfloat a = r[i], b = r[i + CK_LANES / 2];
#if CK_LANES == 16
      t[2 * i] = __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
      t[2 * i + 1] = __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
#elif CK_LANES == 8
      t[2 * i] = __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
      t[2 * i + 1] = __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
#else
      t[2 * i] = __builtin_shufflevector(a, b, 0, 4, 1, 5);
      t[2 * i + 1] = __builtin_shufflevector(a, b, 2, 6, 3, 7);
#endif
    }
#pragma clang loop unroll(full)
    for (int i = 0; i < CK_LANES; i++) r[i] = t[i];
  }
}

// Columns k ..< k + count of up to CK_LANES rows of A into as many rows of a panel. Missing rows become zeros.
CK_VECTOR void CK_NAME(csr_pack_square)(const csr_left *a, size_t rows, size_t k, size_t count, float *panel,
                                        ck_type type) {
  vfloat r[CK_LANES];
  const size_t element = ck_bytes_of(type);
#pragma clang loop unroll(full)
  for (size_t i = 0; i < CK_LANES; i++) {
    const char *row = a->data + (i * a->stride + k) * element;
    r[i] = i >= rows           ? (vfloat)(0.0f)
           : count == CK_LANES ? vload_as(row, 0, type)
                               : vload_part_as(row, 0, count, 0, type);
  }
  CK_NAME(csr_transpose)(r);
  if (count == CK_LANES) {
#pragma clang loop unroll(full)
    for (size_t i = 0; i < CK_LANES; i++) vstore(panel + i * CSR_TOKENS, r[i]);
  } else {
#pragma clang loop unroll(full)
    for (size_t i = 0; i < CK_LANES; i++)
      if (i < count) vstore(panel + i * CSR_TOKENS, r[i]);
  }
}

CK_VECTOR void CK_NAME(csr_pack_as)(const csr_left *a, size_t rows, size_t depth, float *panel, ck_type type) {
  csr_left from = *a;
  for (size_t i = 0; i < rows; i += CK_LANES, panel += CK_LANES) {
    const size_t count = ck_min(CK_LANES, rows - i);
    size_t k = 0;
    if (count == CK_LANES)
      for (; k + CK_LANES <= depth; k += CK_LANES)
        CK_NAME(csr_pack_square)(&from, CK_LANES, k, CK_LANES, panel + k * CSR_TOKENS, type);
    for (; k < depth; k += CK_LANES)
      CK_NAME(csr_pack_square)(&from, count, k, ck_min(CK_LANES, depth - k), panel + k * CSR_TOKENS, type);
    from.data += CK_LANES * a->stride * ck_bytes_of(type);
  }
}

// Whole vectors of tokens; row `zeros` of the panel becomes zeros.
static void CK_NAME(csr_pack)(const csr_left *a, size_t rows, size_t depth, size_t zeros, float *panel) {
  if (a->type == CK_BF16)
    CK_NAME(csr_pack_as)(a, rows, depth, panel, CK_BF16);
  else
    CK_NAME(csr_pack_as)(a, rows, depth, panel, CK_F32);
  for (size_t i = 0; i < CSR_TOKENS; i += CK_LANES) vstore(panel + zeros * CSR_TOKENS + i, (vfloat)(0.0f));
}
