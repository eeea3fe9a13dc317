// Packing rows and columns of one head into contiguous tiles, and powers of two of shifted scores.

// 2^x for x <= 0 (a little above, too), within 1.4 units of 2^-24 with six terms and 2.9 with five. Minus infinity
// gives 0 and NaN stays NaN. Minimax polynomials of relative error with the first term 1, so that 2^0 is 1. With
// AVX-512 as vexp2_below in vector/exponent.inc.h; elsewhere 0 below the smallest normal number, since a result that
// has to be denormal first costs a hundred cycles.
#if CK_LANES == 16
CK_VECTOR vfloat CK_NAME(power2)(vfloat x) {
#if defined(CK_HALVES)
  return vexp2_below(x);
#else
  const vfloat f = (vfloat)_mm512_reduce_ps((__m512)x, _MM_FROUND_TO_NEG_INF); // 0 <= f <= 1
  vfloat p = vfma((vfloat)(2.1714171452913433e-4f), f, (vfloat)(1.2441077269613743e-3f));
  p = vfma(p, f, (vfloat)(9.678035974502563e-3f));
  p = vfma(p, f, (vfloat)(5.5484168231487274e-2f));
  p = vfma(p, f, (vfloat)(0.2402295619249344f));
  p = vfma(p, f, (vfloat)(0.6931470036506653f));
  return (vfloat)_mm512_scalef_ps((__m512)vfma(p, f, (vfloat)(1.0f)), (__m512)x);
#endif
}
#else
CK_VECTOR vfloat CK_NAME(power2)(vfloat x) {
  vfloat shifted = x + CK_ROUNDER, r = x - (shifted - CK_ROUNDER);
#if defined(CK_HALVES)
  vfloat p = vfma((vfloat)(1.3264727e-3f), r, (vfloat)(9.671513e-3f));
  p = vfma(p, r, (vfloat)(5.5507336e-2f));
  p = vfma(p, r, (vfloat)(2.4022242e-1f));
  p = vfma(p, r, (vfloat)(6.9314700e-1f));
#else
  vfloat p = vfma((vfloat)(1.5353362e-4f), r, (vfloat)(1.3398874e-3f));
  p = vfma(p, r, (vfloat)(9.6184369e-3f));
  p = vfma(p, r, (vfloat)(5.5503324e-2f));
  p = vfma(p, r, (vfloat)(2.4022648e-1f));
  p = vfma(p, r, (vfloat)(6.9314718e-1f));
#endif
  p = vfma(p, r, (vfloat)(1.0f));
  return x < -126.0f ? (vfloat)(0.0f) : (vfloat)((vint)p + ((vint)shifted << 23));
}
#endif

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
static inline __attribute__((always_inline)) void CK_NAME(transpose)(vfloat *x){CK_EXCHANGE(1) CK_EXCHANGE(2)
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

// Rows lie too far apart for the hardware to foresee.
CK_VECTOR void CK_NAME(prefetch_row)(size_t width, const CK_ELEMENT *row) {
  for (size_t d = 0; d < width; d += 64 / sizeof(CK_ELEMENT)) __builtin_prefetch(row + d);
}

// rows x width -> rows x words, zeros to the right up to whole vectors.
static void CK_NAME(pack_rows)(size_t rows, size_t width, const CK_ELEMENT *source, size_t source_row, float *packed,
                               size_t packed_row) {
  for (size_t i = 0; i < rows; i++, source += source_row, packed += packed_row) {
    float *to = packed;
    size_t d = 0;
    for (; d + CK_STEP <= width; d += CK_STEP, to += CK_LANES) vstore(to, CK_NAME(read_words)(source + d));
    if (d < width) vstore(to, CK_NAME(read_words_part)(source + d, width - d));
  }
}

#if CK_GROUP == 2
// Lane by lane words of the elements of two rows: of the first or the second half of their elements.
CK_VECTOR vfloat CK_NAME(pair_low)(vfloat even, vfloat odd) {
  typedef uint16_t halves __attribute__((ext_vector_type(32)));
  return (vfloat)__builtin_shufflevector((halves)even, (halves)odd, 0, 32, 1, 33, 2, 34, 3, 35, 4, 36, 5, 37, 6, 38, 7,
                                         39, 8, 40, 9, 41, 10, 42, 11, 43, 12, 44, 13, 45, 14, 46, 15, 47);
}

CK_VECTOR vfloat CK_NAME(pair_high)(vfloat even, vfloat odd) {
  typedef uint16_t halves __attribute__((ext_vector_type(32)));
  return (vfloat)__builtin_shufflevector((halves)even, (halves)odd, 16, 48, 17, 49, 18, 50, 19, 51, 20, 52, 21, 53, 22,
                                         54, 23, 55, 24, 56, 25, 57, 26, 58, 27, 59, 28, 60, 29, 61, 30, 62, 31, 63);
}

// A vector of words of a row from element d on, zeros past its end.
CK_VECTOR vfloat CK_NAME(words_at)(const CK_ELEMENT *row, size_t d, size_t width) {
  return d + CK_STEP <= width ? CK_NAME(read_words)(row + d) : CK_NAME(read_words_part)(row + d, width - d);
}

CK_VECTOR void CK_NAME(store_pairs)(float *packed, size_t d, size_t padded, vfloat even, vfloat odd) {
  vstore(packed + d, CK_NAME(pair_low)(even, odd));
  if (d + CK_LANES < padded) vstore(packed + d + CK_LANES, CK_NAME(pair_high)(even, odd));
}

// rows x width in both forms, as rows (unless NULL) and as groups of rows. With `output`, of the same shape, also
// minus the sum of each row's products with it.
CK_VECTOR void CK_NAME(pack_pairs)(size_t rows, size_t width, size_t padded, const CK_ELEMENT *source,
                                   size_t source_row, float *packed, size_t packed_row, float *groups,
                                   const CK_ELEMENT *output, size_t output_row, float *mean) {
  for (size_t i = 0; i < rows; i += 2, source += 2 * source_row, groups += padded) {
    const bool both = i + 1 < rows;
    const CK_ELEMENT *next = both ? source + source_row : source;
    vfloat sum[2] = {0, 0};
    for (size_t d = 0; d < width; d += CK_STEP) {
      vfloat even = CK_NAME(words_at)(source, d, width), odd = CK_NAME(words_at)(next, d, width);
      if (output) {
        const CK_ELEMENT *after = both ? output + output_row : output;
        sum[0] = CK_NAME(dot)(even, CK_NAME(words_at)(output, d, width), sum[0]);
        sum[1] = CK_NAME(dot)(odd, CK_NAME(words_at)(after, d, width), sum[1]);
      }
      if (packed) {
        vstore(packed + d / 2, even);
        if (both) vstore(packed + packed_row + d / 2, odd);
      }
      CK_NAME(store_pairs)(groups, d, padded, even, both ? odd : (vfloat)(0.0f));
    }
    if (packed) packed += 2 * packed_row;
    if (output) {
      mean[i] = -vsum(sum[0]);
      if (both) mean[i + 1] = -vsum(sum[1]);
      output += 2 * output_row;
    }
  }
}
#endif

// rows x width -> ceil(rows / CK_GROUP) x padded, words along the rows' number, zeros to the right.
static void CK_NAME(pack_groups)(size_t rows, size_t width, size_t padded, const CK_ELEMENT *source, size_t source_row,
                                 float *packed) {
#if CK_GROUP == 1
  CK_NAME(pack_rows)(rows, width, source, source_row, packed, padded);
#else
  CK_NAME(pack_pairs)(rows, width, padded, source, source_row, NULL, 0, packed, NULL, 0, NULL);
#endif
}

// keys x width -> blocks of words x CK_KEY_BLOCK, zeros to the right of the last one.
static void CK_NAME(pack_columns)(size_t keys, size_t width, const CK_ELEMENT *source, size_t source_row,
                                  float *packed) {
  const size_t words = CK_WORDS(width);
  for (size_t i = 0; i < keys; i += CK_LANES) {
    const CK_ELEMENT *from = source + i * source_row;
    float *to = packed + i / CK_KEY_BLOCK * words * CK_KEY_BLOCK + i % CK_KEY_BLOCK;
    const size_t rows = ck_min(keys - i, CK_LANES);
    for (size_t d = 0; d < width; d += CK_STEP, from += CK_STEP, to += CK_LANES * CK_KEY_BLOCK) {
      vfloat x[CK_LANES];
      const size_t here = ck_min(words - d / CK_GROUP, CK_LANES);
      if (rows == CK_LANES && d + CK_STEP <= width) {
#pragma unroll
        for (int l = 0; l < CK_LANES; l++) x[l] = CK_NAME(read_words)(from + l * source_row);
      } else {
        for (size_t l = 0; l < CK_LANES; l++) {
          x[l] = (vfloat)(0.0f);
          if (l < rows)
            x[l] = d + CK_STEP <= width ? CK_NAME(read_words)(from + l * source_row)
                                        : CK_NAME(read_words_part)(from + l * source_row, width - d);
        }
      }
      CK_NAME(transpose)(x);
      if (here == CK_LANES) {
#pragma unroll
        for (int l = 0; l < CK_LANES; l++) vstore(to + l * CK_KEY_BLOCK, x[l]);
      } else {
        for (size_t l = 0; l < here; l++) vstore(to + l * CK_KEY_BLOCK, x[l]);
      }
    }
  }
}

// Plus zero: what is nothing but zeros has no sign, however many of them were added.
CK_VECTOR vfloat CK_NAME(scaled)(const float *source, float scale) {
  return vfma(vload(source), (vfloat)(scale), (vfloat)(0.0f));
}

CK_VECTOR void CK_NAME(write_row)(size_t width, const float *source, float scale, CK_ELEMENT *target) {
  size_t d = 0;
#if CK_GROUP == 2
  for (; d + CK_STEP <= width; d += CK_STEP) {
    const vfloat words =
        CK_NAME(narrow_words)(CK_NAME(scaled)(source + d, scale), CK_NAME(scaled)(source + d + CK_LANES, scale));
    __builtin_memcpy(target + d, &words, sizeof words);
  }
#elif defined(CK_HALVES)
  for (; d + 2 * CK_LANES <= width; d += 2 * CK_LANES)
    vstore_bf16_pair(target + d, CK_NAME(scaled)(source + d, scale), CK_NAME(scaled)(source + d + CK_LANES, scale));
#endif
  for (; d + CK_LANES <= width; d += CK_LANES) CK_NAME(write)(target + d, CK_NAME(scaled)(source + d, scale));
  if (d < width) CK_NAME(write_part)(target + d, width - d, CK_NAME(scaled)(source + d, scale));
}

static void CK_NAME(write_rows)(size_t rows, size_t width, size_t padded, const float *source, float scale,
                                CK_ELEMENT *target, size_t target_row) {
  for (size_t i = 0; i < rows; i++, source += padded, target += target_row)
    CK_NAME(write_row)(width, source, scale, target);
}
