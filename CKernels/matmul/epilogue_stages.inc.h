// Any way from sums to C, stage by stage through a small array. Part of matmul/epilogue.inc.h.

// Stage by stage: some rows, each in `vectors` vectors of which `whole` are whole; at most FINISH_VECTORS in all.
typedef struct CK_NAME(finish_stage) {
  size_t rows, vectors, whole, tail; // the last vector has `tail` elements, if that is not 0
  size_t e, n;                       // its first element, and the elements from one row to the next
  vfloat *v;
} CK_NAME(finish_stage);

// Statements for vector `at` of the array, elements from `e` on: whole, and the partial one. Rows of two whole vectors
// have a loop of their own.
#define FINISH_EACH(whole_vector, part_vector)                                                                         \
  if (s->vectors == 2 && s->whole == 2)                                                                                \
    for (size_t r = 0, at = 0, e = s->e; r < s->rows; ++r, e += s->n - 2 * CK_LANES)                                   \
      _Pragma("clang loop unroll(full)") for (int k = 0; k < 2; ++k, ++at, e += CK_LANES) whole_vector;                \
  else                                                                                                                 \
    for (size_t r = 0, at = 0; r < s->rows; ++r) {                                                                     \
      size_t e = s->e + r * s->n;                                                                                      \
      _Pragma("clang loop unroll(disable)") for (size_t k = 0; k < s->whole; ++k, ++at, e += CK_LANES) whole_vector;   \
      if (s->tail) {                                                                                                   \
        part_vector;                                                                                                   \
        ++at;                                                                                                          \
      }                                                                                                                \
    }

static void CK_NAME(finish_read)(const CK_NAME(finish_stage) * s, const void *from, ck_type type, vfloat *to) {
#define FINISH_READ(type)                                                                                              \
  FINISH_EACH(to[at] = CK_NAME(finish_load)(from, type, e, CK_LANES),                                                  \
              to[at] = CK_NAME(finish_load)(from, type, e, s->tail))
  if (type == CK_F32)
    FINISH_READ(CK_F32)
  else if (type == CK_BF16)
    FINISH_READ(CK_BF16)
  else
    FINISH_READ(CK_F16)
#undef FINISH_READ
}

static void CK_NAME(finish_write)(const CK_NAME(finish_stage) * s, void *to, ck_type type,
                                  const ck_epilogue *epilogue) {
  CK_NAME(finish_quantizer) quantizer = CK_NAME(finish_quantizer_of)(epilogue);
#define FINISH_WRITE(type)                                                                                             \
  FINISH_EACH(CK_NAME(finish_store)(to, type, e, CK_LANES, s->v[at], &quantizer),                                      \
              CK_NAME(finish_store)(to, type, e, s->tail, s->v[at], &quantizer))
  if (type == CK_F32)
    FINISH_WRITE(CK_F32)
  else if (type == CK_BF16)
    FINISH_WRITE(CK_BF16)
  else if (type == CK_F16)
    FINISH_WRITE(CK_F16)
  else
    FINISH_WRITE(CK_S8)
#undef FINISH_WRITE
}
#undef FINISH_EACH

// Four vectors at a time, so that one's chain of operations does not wait for another's.
static void CK_NAME(finish_apply)(ck_epilogue_function function, size_t count, vfloat *v, const vfloat *operand,
                                  bool coarse) {
#define FINISH_FOURS(function, coarse)                                                                                 \
  for (size_t i = 0; i < count; i += 4)                                                                                \
    for (size_t k = i; k < i + 4; ++k) v[k] = CK_NAME(finish_call)(function, v[k], operand[k], coarse);
#define FINISH_APPLY(function)                                                                                         \
  case function:                                                                                                       \
    if (coarse)                                                                                                        \
      FINISH_FOURS(function, true)                                                                                     \
    else                                                                                                               \
      FINISH_FOURS(function, false)                                                                                    \
    return;
  switch (function) {
    FINISH_APPLY(CK_EPILOGUE_GELU_TANH)
    FINISH_APPLY(CK_EPILOGUE_GELU_ERF)
    FINISH_APPLY(CK_EPILOGUE_SILU)
    FINISH_APPLY(CK_EPILOGUE_GELU_TANH_GRADIENT)
    FINISH_APPLY(CK_EPILOGUE_GELU_ERF_GRADIENT)
    FINISH_APPLY(CK_EPILOGUE_SILU_GATE)
    FINISH_APPLY(CK_EPILOGUE_MULTIPLY)
  default:
    return;
  }
#undef FINISH_APPLY
#undef FINISH_FOURS
}

// Rows i to i + rows of the part, columns j to j + columns.
static void CK_NAME(finish_stages)(const finish_part *part, size_t i, size_t rows, size_t j, size_t columns) {
  const ck_finish *finish = part->finish;
  const ck_epilogue *epilogue = &finish->epilogue;
  vfloat v[FINISH_VECTORS], other[FINISH_VECTORS];
  const CK_NAME(finish_stage) s = {
      .rows = rows,
      .vectors = ck_ceil_div(columns, CK_LANES),
      .whole = columns / CK_LANES,
      .tail = columns % CK_LANES,
      .e = (part->row + i) * finish->n + part->column + j,
      .n = finish->n,
      .v = v,
  };
  size_t total = rows * s.vectors, all = ck_round_up(total, 4);
  vint whole = CK_NAME(finish_whole)(finish);
  for (size_t k = 0; k < s.vectors; ++k) {
    size_t column = k * CK_LANES;
    const CK_NAME(finish_columns) c =
        CK_NAME(finish_columns_at)(epilogue, part->column + j + column, ck_min(columns - column, CK_LANES));
    const float *sums = part->sums + i * part->stride + j + column, *scales = part->row_scales + i * part->row_step;
    for (size_t at = k; at < total; at += s.vectors, sums += part->stride, scales += part->row_step)
      v[at] = CK_NAME(finish_scale)(sums, whole, *scales, c);
  }
  for (size_t at = total; at < all; ++at) v[at] = other[at] = 0;
  if (epilogue->saved) CK_NAME(finish_write)(&s, epilogue->saved, epilogue->operand_type, epilogue);
  if (epilogue->function != CK_EPILOGUE_NONE) {
    if (takes_operand(epilogue->function)) CK_NAME(finish_read)(&s, epilogue->operand, epilogue->operand_type, other);
    CK_NAME(finish_apply)(epilogue->function, all, v, takes_operand(epilogue->function) ? other : v,
                          finish->type == CK_BF16);
  }
  if (part->mask)
    for (size_t r = 0, at = 0; r < rows; ++r) {
      size_t bit = part->mask->first[i + r] + j;
      for (size_t k = 0; k < s.vectors; ++k, ++at, bit += CK_LANES) {
        uint32_t bits;
        __builtin_memcpy(&bits, part->mask->bits + bit / 8, sizeof bits);
        v[at] = CK_NAME(finish_keep)(bits >> bit % 8, v[at], finish->kept_scale);
      }
    }
  if (epilogue->residual) {
    CK_NAME(finish_read)(&s, epilogue->residual, epilogue->operand_type, other);
    for (size_t at = 0; at < total; ++at) v[at] += other[at];
  }
  CK_NAME(finish_write)(&s, finish->c, finish->type, epilogue);
}

// Any rows and columns of the part, in pieces that fit the array: two vectors wide where there are many rows.
static void CK_NAME(finish_rest)(const finish_part *part, size_t i, size_t rows, size_t j, size_t columns) {
  size_t wide = ck_max(2, FINISH_VECTORS / rows) * CK_LANES, high = FINISH_VECTORS / 2;
  for (size_t top = i; top < i + rows; top += high)
    for (size_t left = j; left < j + columns; left += wide)
      CK_NAME(finish_stages)(part, top, ck_min(i + rows - top, high), left, ck_min(j + columns - left, wide));
}

static void CK_NAME(finish_part)(const finish_part *part) {
  CK_NAME(finish_one_pass) *one_pass = CK_NAME(finish_way)(part);
  size_t j = one_pass ? one_pass(part) : 0;
  if (j < part->columns && part->rows > 0) CK_NAME(finish_rest)(part, 0, part->rows, j, part->columns - j);
}
