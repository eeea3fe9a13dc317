// Small products on packed tiles, the one inner loop of attention:
//   c[r][l] = start + sum_t a[r, t] b[t][l],   0 <= r < rows, 0 <= t < steps, l over whole vectors
// where a is stored as rows of t (down) or as rows of r (across). After these come `stairs` < rows more steps, the
// first of which row 0 leaves out, the second rows 0 and 1, and so on: the diagonal, where no row may touch what it
// does not see (0 times infinity is NaN). Each element is one chain of multiply-adds in increasing t, whatever the
// block it falls in.
#define CK_BLOCK_ROWS 6
#if CK_LANES == 16
#define CK_BLOCK_VECTORS 4 // 24 accumulators of 32 registers
#else
#define CK_BLOCK_VECTORS 2 // 12 accumulators of 16 registers
#endif

enum CK_NAME(start) { CK_NAME(start_zero), CK_NAME(start_keep), CK_NAME(start_scaled) };
#define CK_START_ZERO CK_NAME(start_zero)     // start = 0
#define CK_START_KEEP CK_NAME(start_keep)     // start = c
#define CK_START_SCALED CK_NAME(start_scaled) // start = c factor[r]

// rows, vectors and across are constants wherever this is inlined. stride: between the rows in which a is stored.
CK_VECTOR void CK_NAME(block)(const size_t rows, const size_t vectors, const bool across, size_t steps, size_t stairs,
                              const float *a, size_t stride, const float *b, size_t b_row, float *c, size_t c_row,
                              int start, const float *factor) {
  vfloat sum[CK_BLOCK_ROWS][CK_BLOCK_VECTORS];
  const float *row_of[CK_BLOCK_ROWS];
#pragma unroll
  for (size_t r = 0; r < rows; r++) {
    row_of[r] = a + (across ? r : r * stride);
#pragma unroll
    for (size_t v = 0; v < vectors; v++) {
      if (start == CK_START_ZERO)
        sum[r][v] = 0;
      else if (start == CK_START_KEEP)
        sum[r][v] = vload(c + r * c_row + v * CK_LANES);
      else
        sum[r][v] = vload(c + r * c_row + v * CK_LANES) * factor[r];
    }
  }
  for (size_t t = 0; t < steps; t++, b += b_row) {
    vfloat row[CK_BLOCK_VECTORS];
#pragma unroll
    for (size_t v = 0; v < vectors; v++) row[v] = vload(b + v * CK_LANES);
#pragma unroll
    for (size_t r = 0; r < rows; r++) {
      vfloat value = across ? a[t * stride + r] : row_of[r][t];
#pragma unroll
      for (size_t v = 0; v < vectors; v++) sum[r][v] = vfma(value, row[v], sum[r][v]);
    }
  }
  if (stairs) {
#pragma unroll
    for (size_t t = 0; t + 1 < rows; t++, b += b_row) {
      if (t == stairs) break;
#pragma unroll
      for (size_t r = t + 1; r < rows; r++) {
        vfloat value = across ? a[(steps + t) * stride + r] : row_of[r][steps + t];
#pragma unroll
        for (size_t v = 0; v < vectors; v++) sum[r][v] = vfma(value, vload(b + v * CK_LANES), sum[r][v]);
      }
    }
  }
#pragma unroll
  for (size_t r = 0; r < rows; r++)
#pragma unroll
    for (size_t v = 0; v < vectors; v++) vstore(c + r * c_row + v * CK_LANES, sum[r][v]);
}

// One block of at most CK_BLOCK_ROWS rows and any number of vectors.
CK_VECTOR void CK_NAME(product)(const bool across, size_t rows, size_t vectors, size_t steps, size_t stairs,
                                const float *a, size_t stride, const float *b, size_t b_row, float *c, size_t c_row,
                                int start, const float *factor) {
  while (vectors) {
    size_t now = ck_min(vectors, CK_BLOCK_VECTORS);
#if CK_BLOCK_VECTORS == 4
    if (vectors == 5 || vectors == 6) now = 3; // two halves rather than a full block and a thin one
#endif
#define CK_CASE(R, N)                                                                                                  \
  case R * 8 + N:                                                                                                      \
    CK_NAME(block)(R, N, across, steps, stairs, a, stride, b, b_row, c, c_row, start, factor);                         \
    break;
#if CK_BLOCK_VECTORS == 4
#define CK_CASES(R) CK_CASE(R, 1) CK_CASE(R, 2) CK_CASE(R, 3) CK_CASE(R, 4)
#else
#define CK_CASES(R) CK_CASE(R, 1) CK_CASE(R, 2)
#endif
    switch (rows * 8 + now) { CK_CASES(1) CK_CASES(2) CK_CASES(3) CK_CASES(4) CK_CASES(5) CK_CASES(6) }
#undef CK_CASES
#undef CK_CASE
    vectors -= now;
    b += now * CK_LANES;
    c += now * CK_LANES;
  }
}

// c[r] = start + sum_t a[r stride + t] b[t]
static void CK_NAME(product_down)(size_t rows, size_t vectors, size_t steps, const float *a, size_t stride,
                                  const float *b, size_t b_row, float *c, size_t c_row, int start,
                                  const float *factor) {
  CK_NAME(product)(false, rows, vectors, steps, 0, a, stride, b, b_row, c, c_row, start, factor);
}

static void CK_NAME(product_down_stairs)(size_t rows, size_t vectors, size_t steps, size_t stairs, const float *a,
                                         size_t stride, const float *b, size_t b_row, float *c, size_t c_row, int start,
                                         const float *factor) {
  CK_NAME(product)(false, rows, vectors, steps, stairs, a, stride, b, b_row, c, c_row, start, factor);
}

// c[r] = start + sum_t a[t stride + r] b[t]
static void CK_NAME(product_across)(size_t rows, size_t vectors, size_t steps, const float *a, size_t stride,
                                    const float *b, size_t b_row, float *c, size_t c_row, int start) {
  CK_NAME(product)(true, rows, vectors, steps, 0, a, stride, b, b_row, c, c_row, start, NULL);
}
