// Packing rows and columns of one head into contiguous tiles, and the exponential of shifted scores.

// exp(x) for x <= 0, by vexp's polynomial; 0 below the logarithm of the smallest normal number. Masked scores are minus
// infinity, and a result that has to be denormal first costs a hundred cycles. NaN stays NaN.
CK_VECTOR vfloat CK_NAME(exp_below)(vfloat x) {
  vfloat shifted = vfma(x, (vfloat)(1.44269504088896341f), (vfloat)(CK_ROUNDER)), n = shifted - CK_ROUNDER;
  vfloat r = vfma(n, (vfloat)(-0.693359375f), x);
  r = vfma(n, (vfloat)(2.12194440e-4f), r);
  vfloat p = vfma((vfloat)(1.9875691500e-4f), r, (vfloat)(1.3981999507e-3f));
  p = vfma(p, r, (vfloat)(8.3334519073e-3f));
  p = vfma(p, r, (vfloat)(4.1665795894e-2f));
  p = vfma(p, r, (vfloat)(1.6666665459e-1f));
  p = vfma(p, r, (vfloat)(5.0000001201e-1f));
  p = vfma(p, r * r, r) + 1.0f;
  return x < -87.3f ? (vfloat)(0.0f) : p * (vfloat)(((vint)shifted + 127) << 23);
}

// Transposes a square of CK_LANES vectors: in step s, pairs of rows s apart exchange their off-diagonal s x s blocks.
#define CK_LOW(l, s) ((l) & (s) ? CK_LANES + (l) - (s) : (l))
#define CK_HIGH(l, s) ((l) & (s) ? CK_LANES + (l) : (l) + (s))
#if CK_LANES == 16
#define CK_ALL(F, s)                                                                                                   \
  F(0, s), F(1, s), F(2, s), F(3, s), F(4, s), F(5, s), F(6, s), F(7, s), F(8, s), F(9, s), F(10, s), F(11, s),        \
      F(12, s), F(13, s), F(14, s), F(15, s)
#elif CK_LANES == 8
#define CK_ALL(F, s) F(0, s), F(1, s), F(2, s), F(3, s), F(4, s), F(5, s), F(6, s), F(7, s)
#else
#define CK_ALL(F, s) F(0, s), F(1, s), F(2, s), F(3, s)
#endif
#define CK_EXCHANGE(s)                                                                                                 \
  _Pragma("unroll") for (int i = 0; i < CK_LANES; i++) if (!(i & s)) {                                                 \
    vfloat low = __builtin_shufflevector(x[i], x[i + s], CK_ALL(CK_LOW, s));                                           \
    vfloat high = __builtin_shufflevector(x[i], x[i + s], CK_ALL(CK_HIGH, s));                                         \
    x[i] = low;                                                                                                        \
    x[i + s] = high;                                                                                                   \
  }
static inline __attribute__((always_inline)) void CK_NAME(transpose)(vfloat *x) {
  CK_EXCHANGE(1)
  CK_EXCHANGE(2)
#if CK_LANES > 4
  CK_EXCHANGE(4)
#endif
#if CK_LANES > 8
  CK_EXCHANGE(8)
#endif
}
#undef CK_EXCHANGE
#undef CK_ALL
#undef CK_LOW
#undef CK_HIGH

// rows x width -> rows x padded, multiplied by scale, zeros to the right.
static void CK_NAME(pack_rows)(size_t rows, size_t width, size_t padded, const float *source, size_t source_row,
                               float scale, float *packed) {
  for (size_t i = 0; i < rows; i++, source += source_row, packed += padded) {
    size_t d = 0;
    for (; d + CK_LANES <= width; d += CK_LANES) vstore(packed + d, vload(source + d) * scale);
    for (; d < width; d++) packed[d] = source[d] * scale;
    for (; d < padded; d++) packed[d] = 0;
  }
}

// Rows lie too far apart for the hardware to foresee.
CK_VECTOR void CK_NAME(prefetch_row)(size_t width, const float *row) {
  for (size_t d = 0; d < width; d += 16) __builtin_prefetch(row + d);
}

// rows (<= CK_KEY_TILE) x width -> width x CK_KEY_TILE, zeros to the right.
static void CK_NAME(pack_columns)(size_t rows, size_t width, const float *source, size_t source_row, float *packed) {
  size_t i = 0;
  for (; i + CK_LANES <= rows; i += CK_LANES) {
    size_t d = 0;
    for (; d + CK_LANES <= width; d += CK_LANES) {
      vfloat x[CK_LANES];
#pragma unroll
      for (int l = 0; l < CK_LANES; l++) x[l] = vload(source + (i + l) * source_row + d);
      CK_NAME(transpose)(x);
#pragma unroll
      for (int l = 0; l < CK_LANES; l++) vstore(packed + (d + l) * CK_KEY_TILE + i, x[l]);
    }
    for (; d < width; d++)
      for (size_t l = 0; l < CK_LANES; l++) packed[d * CK_KEY_TILE + i + l] = source[(i + l) * source_row + d];
  }
  if (i == CK_KEY_TILE) return;
  for (size_t d = 0; d < width; d++) {
    for (size_t l = i; l < rows; l++) packed[d * CK_KEY_TILE + l] = source[l * source_row + d];
    for (size_t l = rows; l < CK_KEY_TILE; l++) packed[d * CK_KEY_TILE + l] = 0;
  }
}
