// Small products on packed tiles, the one inner loop of attention:
//   c[r][l] = start + sum_t a[r, t] b[t][l],   0 <= r < rows, 0 <= t < steps, l over whole vectors
// where t counts words, and a is stored as rows of t (down) or as rows of r (across). Each element is one chain of
// multiply-adds in increasing t, whatever the block it falls in.
// Down, the diagonal may follow (stairs): row r sees r keys more than row 0, and may not touch what it does not see (0
// times infinity is NaN). `odd`: row 0 sees the first half of the pair at `steps`.
#if CK_LANES == 16
#define CK_BLOCK_VECTORS 4 // 24 accumulators of 32 registers
#else
#define CK_BLOCK_VECTORS 2 // 12 accumulators of 16 registers
#endif

#define CK_LAST 3

enum CK_NAME(start) { CK_NAME(start_zero), CK_NAME(start_keep), CK_NAME(start_scaled), CK_NAME(start_from) };
#define CK_START_ZERO CK_NAME(start_zero)     // start = 0
#define CK_START_KEEP CK_NAME(start_keep)     // start = c
#define CK_START_SCALED CK_NAME(start_scaled) // start = c factor[r]
#define CK_START_FROM CK_NAME(start_from)     // start = factor[r]

typedef struct CK_NAME(product) {
  size_t steps;
  const float *a;
  size_t a_row; // distance of the rows in which a is stored
  const float *b;
  size_t b_row;
  float *c;
  size_t c_row;
  int start;
  const float *factor;
  bool stairs, odd;
} CK_NAME(product);

// Row r's sums over the keys that it sees beyond those of the whole steps.
CK_VECTOR void CK_NAME(stairs)(const size_t rows, const size_t vectors, const CK_NAME(product) * p,
                               vfloat sum[CK_BLOCK_ROWS][CK_BLOCK_VECTORS], const float *b, const size_t odd) {
#pragma unroll
  for (size_t t = 0; t < (odd + rows - 1 + CK_GROUP - 1) / CK_GROUP; t++, b += p->b_row) {
#pragma unroll
    for (size_t r = 0; r < rows; r++) {
      if (odd + r <= t * CK_GROUP) continue;
      vfloat value = CK_NAME(broadcast)(p->a + r * p->a_row + p->steps + t);
#pragma unroll
      for (size_t v = 0; v < vectors; v++) {
        vfloat other = vload(b + v * CK_LANES);
        if (odd + r < (t + 1) * CK_GROUP) other = (vfloat)((vint)other & 0xffff);
        sum[r][v] = CK_NAME(dot)(value, other, sum[r][v]);
      }
    }
  }
}

// rows, vectors and across are constants wherever this is inlined.
CK_VECTOR void CK_NAME(block)(const size_t rows, const size_t vectors, const bool across, const CK_NAME(product) * p,
                              size_t column) {
  vfloat sum[CK_BLOCK_ROWS][CK_BLOCK_VECTORS];
  const float *row_of[CK_BLOCK_ROWS], *b = p->b + column;
  float *c = p->c + column;
  const size_t a_row = p->a_row, b_row = p->b_row, c_row = p->c_row, steps = p->steps;
  const int start = p->start;
#pragma unroll
  for (size_t r = 0; r < rows; r++) {
    row_of[r] = p->a + (across ? r : r * a_row);
#pragma unroll
    for (size_t v = 0; v < vectors; v++) {
      if (start == CK_START_ZERO)
        sum[r][v] = 0;
      else if (start == CK_START_KEEP)
        sum[r][v] = vload(c + r * c_row + v * CK_LANES);
      else if (start == CK_START_FROM)
        sum[r][v] = CK_NAME(broadcast)(p->factor + r);
      else
        sum[r][v] = vload(c + r * c_row + v * CK_LANES) * p->factor[r];
    }
  }
  // The last steps row by row: what is stored in one burst would hold up what comes next.
  const bool apart = rows == CK_BLOCK_ROWS && vectors == CK_BLOCK_VECTORS && !p->stairs && steps >= CK_LAST;
  const size_t together = apart ? steps - CK_LAST : steps;
  size_t t = 0;
  for (; t < together; t++, b += b_row) {
    vfloat row[CK_BLOCK_VECTORS];
#pragma unroll
    for (size_t v = 0; v < vectors; v++) row[v] = vload(b + v * CK_LANES);
#pragma unroll
    for (size_t r = 0; r < rows; r++) {
      vfloat value = CK_NAME(broadcast)(across ? row_of[0] + t * a_row + r : row_of[r] + t);
#pragma unroll
      for (size_t v = 0; v < vectors; v++) sum[r][v] = CK_NAME(dot)(value, row[v], sum[r][v]);
    }
  }
  if (apart) {
#pragma unroll
    for (size_t r = 0; r < rows; r++) {
#pragma unroll
      for (size_t u = 0; u < CK_LAST; u++) {
        const vfloat value = CK_NAME(broadcast)(across ? row_of[0] + (t + u) * a_row + r : row_of[r] + t + u);
        const float *here = b + u * b_row;
        __asm__("" : "+r"(here)); // or the compiler would keep what it loads, and has no register for it
#pragma unroll
        for (size_t v = 0; v < vectors; v++) sum[r][v] = CK_NAME(dot)(value, vload(here + v * CK_LANES), sum[r][v]);
      }
#pragma unroll
      for (size_t v = 0; v < vectors; v++) vstore(c + r * c_row + v * CK_LANES, sum[r][v]);
      __asm__ volatile("" ::: "memory"); // here, and not when all are done
    }
    return;
  }
  if (!across && p->stairs) {
    if (CK_GROUP == 2 && p->odd)
      CK_NAME(stairs)(rows, vectors, p, sum, b, 1);
    else
      CK_NAME(stairs)(rows, vectors, p, sum, b, 0);
  }
#pragma unroll
  for (size_t r = 0; r < rows; r++)
#pragma unroll
    for (size_t v = 0; v < vectors; v++) vstore(c + r * c_row + v * CK_LANES, sum[r][v]);
}

// At most CK_BLOCK_ROWS rows and any number of vectors.
CK_VECTOR void CK_NAME(blocks)(const bool across, size_t rows, size_t vectors, const CK_NAME(product) * p) {
  for (size_t column = 0; vectors;) {
    size_t now = ck_min(vectors, CK_BLOCK_VECTORS);
#if CK_BLOCK_VECTORS == 4
    if (vectors == 5 || vectors == 6) now = 3; // two halves rather than a full block and a thin one
#endif
#define CK_CASE(R, N)                                                                                                  \
  case R * 8 + N:                                                                                                      \
    CK_NAME(block)(R, N, across, p, column);                                                                           \
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
    column += now * CK_LANES;
  }
}

static void CK_NAME(product_down)(size_t rows, size_t vectors, const CK_NAME(product) * p) {
  CK_NAME(blocks)(false, rows, vectors, p);
}

static void CK_NAME(product_across)(size_t rows, size_t vectors, const CK_NAME(product) * p) {
  CK_NAME(blocks)(true, rows, vectors, p);
}

// Scores: rows of a against keys (or values) in columns, `words` steps, block of keys by block of keys. `from`: what
// the sums of each row start from; NULL: 0.
CK_VECTOR void CK_NAME(scores)(size_t rows, size_t vectors, size_t words, const float *a, size_t a_row,
                               const float *columns, const float *from, float *c, size_t c_row) {
  CK_NAME(product)
  p = {.steps = words, .a = a, .a_row = a_row, .b = columns, .b_row = CK_KEY_BLOCK, .c = c, .c_row = c_row};
  p.start = from ? CK_START_FROM : CK_START_ZERO;
  p.factor = from;
  for (size_t v = 0; v < vectors; v += CK_KEY_BLOCK / CK_LANES) {
    CK_NAME(product_down)(rows, ck_min(vectors - v, CK_KEY_BLOCK / CK_LANES), &p);
    p.b += words * CK_KEY_BLOCK;
    p.c += CK_KEY_BLOCK;
  }
}
