// Sums down the columns, in parts that do not depend on the workers. Needs vector/math.inc.h and vector/typed.inc.h
// first.
#ifndef CK_VECTOR_COLUMNS_H
#define CK_VECTOR_COLUMNS_H
#define vadd_rows CK_NAME(ck_vadd_rows)
#define vadd_tree CK_NAME(ck_vadd_tree)
#endif

// sum[j] += x[i * columns + j] for i = 0, 1, ... < rows, in this order. Four rows at a time keep sum[j] in
// a register (eight rows of a power of two of bytes share a set of the first-level cache), while the next four are
// fetched into the second-level cache; past the end of x that is no harm. The type is a constant where this is inlined.
CK_VECTOR void vadd_rows(const void *x, const ck_type type, size_t rows, size_t columns, float *sum) {
  const size_t whole = columns / CK_LANES * CK_LANES, tail = columns - whole;
  for (size_t i = 0; i < rows;) {
    const size_t together = rows - i >= 4 ? 4 : 1;
    const char *p = (const char *)x + i * columns * ck_bytes_of(type);
    if (together == 4) {
      for (size_t j = 0; j < whole; j += CK_LANES) {
        for (size_t r = 0; r < 4; ++r) __builtin_prefetch(p + ((4 + r) * columns + j) * ck_bytes_of(type), 0, 2);
        vfloat s = vload(sum + j);
        for (size_t r = 0; r < 4; ++r) s += vload_as(p, r * columns + j, type);
        vstore(sum + j, s);
      }
    } else {
      for (size_t j = 0; j < whole; j += CK_LANES) vstore(sum + j, vload(sum + j) + vload_as(p, j, type));
    }
    if (tail) {
      vfloat s = vload_part(sum + whole, tail, 0);
      for (size_t r = 0; r < together; ++r) s += vload_part_as(p, r * columns + whole, tail, 0, type);
      vstore_part(sum + whole, tail, s);
    }
    i += together;
  }
}

// y[j] = tree over c < chunks of partials[c * stride + j], added to y[j] when accumulating, for first <= j < last.
// Overwrites the partials. The tree: neighbours at distance 1, then 2, 4, ...
CK_VECTOR void vadd_tree(float *partials, size_t chunks, size_t stride, size_t first, size_t last, ck_store store,
                         float *y) {
  const size_t count = last - first, whole = count / CK_LANES * CK_LANES, tail = count - whole;
  for (size_t distance = 1; distance < chunks; distance *= 2)
    for (size_t c = 0; c + distance < chunks; c += 2 * distance) {
      float *a = partials + c * stride + first;
      const float *b = a + distance * stride;
      for (size_t j = 0; j < whole; j += CK_LANES) vstore(a + j, vload(a + j) + vload(b + j));
      if (tail) vstore_part(a + whole, tail, vload_part(a + whole, tail, 0) + vload_part(b + whole, tail, 0));
    }
  const float *p = partials + first;
  y += first;
  if (store == CK_REPLACE) {
    __builtin_memcpy(y, p, count * sizeof *y);
    return;
  }
  for (size_t j = 0; j < whole; j += CK_LANES) vstore(y + j, vload(y + j) + vload(p + j));
  if (tail) vstore_part(y + whole, tail, vload_part(y + whole, tail, 0) + vload_part(p + whole, tail, 0));
}
