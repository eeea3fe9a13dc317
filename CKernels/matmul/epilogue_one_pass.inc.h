// The common ways from sums to C: one pass over registers, for pairs of rows and whole vectors. Part of
// matmul/epilogue.inc.h.

// Of `rows` (1 or 2) rows with `vectors` (1 or 2) whole vectors each: what is saved or goes into C, and an operand.
CK_VECTOR void CK_NAME(finish_few_store)(void *to, ck_type type, size_t e, size_t n, size_t rows, size_t vectors,
                                         const vfloat *v, const CK_NAME(finish_quantizer) * quantizer) {
  for (size_t r = 0; r < rows; ++r, e += n, v += vectors)
    if (type == CK_BF16 && vectors == 2)
      vstore_bf16_pair((uint16_t *)to + e, v[0], v[1]);
    else
      for (size_t k = 0; k < vectors; ++k) CK_NAME(finish_store)(to, type, e + k * CK_LANES, CK_LANES, v[k], quantizer);
}
CK_VECTOR void CK_NAME(finish_few_load)(const void *from, ck_type type, size_t e, size_t n, size_t rows, size_t vectors,
                                        vfloat *v) {
  for (size_t i = 0; i < rows * vectors; ++i)
    v[i] = CK_NAME(finish_load)(from, type, e + i / vectors * n + i % vectors * CK_LANES, CK_LANES);
}

// One row or two, one vector or two of each: element `e` of C is the first, `sums` and `scales` are theirs.
typedef struct CK_NAME(finish_columns_of) {
  CK_NAME(finish_columns) columns[2];
  CK_NAME(finish_quantizer) quantizer;
  vint whole;
} CK_NAME(finish_columns_of);
CK_VECTOR void CK_NAME(finish_few)(const finish_part *part, const CK_NAME(finish_columns_of) * of, const float *sums,
                                   const float *scales, size_t e, size_t rows, size_t vectors,
                                   ck_epilogue_function function, bool residual, bool saved, ck_type type) {
  const ck_finish *finish = part->finish;
  const ck_epilogue *epilogue = &finish->epilogue;
  ck_type operand_type = epilogue->operand_type;
  size_t n = finish->n, count = rows * vectors;
  vfloat v[4], other[4];
  for (size_t i = 0; i < count; ++i) {
    size_t r = i / vectors, k = i % vectors;
    v[i] = CK_NAME(finish_scale)(sums + r * part->stride + k * CK_LANES, of->whole, scales[r * part->row_step],
                                 of->columns[k]);
  }
// The type is known in each of the calls.
#define FINISH_OF_TYPE(call, pointer, ...)                                                                             \
  {                                                                                                                    \
    if (operand_type == CK_F32) CK_NAME(call)(pointer, CK_F32, e, n, rows, vectors, __VA_ARGS__);                      \
    if (operand_type == CK_BF16) CK_NAME(call)(pointer, CK_BF16, e, n, rows, vectors, __VA_ARGS__);                    \
    if (operand_type == CK_F16) CK_NAME(call)(pointer, CK_F16, e, n, rows, vectors, __VA_ARGS__);                      \
  }
  if (saved) FINISH_OF_TYPE(finish_few_store, epilogue->saved, v, &of->quantizer)
  if (takes_operand(function))
    FINISH_OF_TYPE(finish_few_load, epilogue->operand, other)
  else
    for (size_t i = 0; i < count; ++i) other[i] = v[i];
  for (size_t i = 0; i < count; ++i) v[i] = CK_NAME(finish_call)(function, v[i], other[i], type == CK_BF16);
  if (residual) {
    FINISH_OF_TYPE(finish_few_load, epilogue->residual, other)
    for (size_t i = 0; i < count; ++i) v[i] += other[i];
  }
#undef FINISH_OF_TYPE
  CK_NAME(finish_few_store)(finish->c, type, e, n, rows, vectors, v, &of->quantizer);
}

// One pass over all rows, in pairs, from column j of the part on.
CK_VECTOR void CK_NAME(finish_rows)(const finish_part *part, size_t j, size_t vectors, ck_epilogue_function function,
                                    bool residual, bool saved, ck_type type) {
  const ck_epilogue *epilogue = &part->finish->epilogue;
  CK_NAME(finish_columns_of)
  of = {.quantizer = CK_NAME(finish_quantizer_of)(epilogue), .whole = CK_NAME(finish_whole)(part->finish)};
  for (size_t k = 0; k < vectors; ++k)
    of.columns[k] = CK_NAME(finish_columns_at)(epilogue, part->column + j + k * CK_LANES, CK_LANES);
  const float *sums = part->sums + j, *scales = part->row_scales;
  size_t n = part->finish->n, e = part->row * n + part->column + j, rows = part->rows;
  for (; rows > 1; rows -= 2, sums += 2 * part->stride, scales += 2 * part->row_step, e += 2 * n)
    CK_NAME(finish_few)(part, &of, sums, scales, e, 2, vectors, function, residual, saved, type);
  if (rows) CK_NAME(finish_few)(part, &of, sums, scales, e, 1, vectors, function, residual, saved, type);
}

// Returns the columns that are done: whole vectors.
#define FINISH_ONE_PASS(name, function, residual, saved, type)                                                         \
  static size_t CK_NAME(name)(const finish_part *part) {                                                               \
    size_t j = 0;                                                                                                      \
    for (; j + 2 * CK_LANES <= part->columns; j += 2 * CK_LANES)                                                       \
      CK_NAME(finish_rows)(part, j, 2, function, residual, saved, type);                                               \
    if (j + CK_LANES <= part->columns) {                                                                               \
      CK_NAME(finish_rows)(part, j, 1, function, residual, saved, type);                                               \
      j += CK_LANES;                                                                                                   \
    }                                                                                                                  \
    return j;                                                                                                          \
  }
FINISH_ONE_PASS(finish_f32, CK_EPILOGUE_NONE, false, false, CK_F32)
FINISH_ONE_PASS(finish_bf16, CK_EPILOGUE_NONE, false, false, CK_BF16)
FINISH_ONE_PASS(finish_f16, CK_EPILOGUE_NONE, false, false, CK_F16)
FINISH_ONE_PASS(finish_s8, CK_EPILOGUE_NONE, false, false, CK_S8)
FINISH_ONE_PASS(finish_residual_f32, CK_EPILOGUE_NONE, true, false, CK_F32)
FINISH_ONE_PASS(finish_residual_bf16, CK_EPILOGUE_NONE, true, false, CK_BF16)
FINISH_ONE_PASS(finish_gelu_tanh_f32, CK_EPILOGUE_GELU_TANH, false, false, CK_F32)
FINISH_ONE_PASS(finish_gelu_tanh_bf16, CK_EPILOGUE_GELU_TANH, false, false, CK_BF16)
FINISH_ONE_PASS(finish_gelu_tanh_saving_f32, CK_EPILOGUE_GELU_TANH, false, true, CK_F32)
FINISH_ONE_PASS(finish_gelu_tanh_saving_bf16, CK_EPILOGUE_GELU_TANH, false, true, CK_BF16)
FINISH_ONE_PASS(finish_gelu_tanh_gradient_f32, CK_EPILOGUE_GELU_TANH_GRADIENT, false, false, CK_F32)
FINISH_ONE_PASS(finish_gelu_tanh_gradient_bf16, CK_EPILOGUE_GELU_TANH_GRADIENT, false, false, CK_BF16)
FINISH_ONE_PASS(finish_silu_f32, CK_EPILOGUE_SILU, false, false, CK_F32)
FINISH_ONE_PASS(finish_silu_bf16, CK_EPILOGUE_SILU, false, false, CK_BF16)
#undef FINISH_ONE_PASS

typedef size_t CK_NAME(finish_one_pass)(const finish_part *part);
static CK_NAME(finish_one_pass) * CK_NAME(finish_way)(const finish_part *part) {
  // By function, what else there is (nothing, a residual, something to save) and C's type.
  static CK_NAME(finish_one_pass) *const ways[CK_EPILOGUE_FUNCTIONS][3][CK_TYPES] = {
      [CK_EPILOGUE_NONE] = {{[CK_F32] = CK_NAME(finish_f32),
                             [CK_BF16] = CK_NAME(finish_bf16),
                             [CK_F16] = CK_NAME(finish_f16),
                             [CK_S8] = CK_NAME(finish_s8)},
                            {[CK_F32] = CK_NAME(finish_residual_f32), [CK_BF16] = CK_NAME(finish_residual_bf16)}},
      [CK_EPILOGUE_GELU_TANH] = {{[CK_F32] = CK_NAME(finish_gelu_tanh_f32), [CK_BF16] = CK_NAME(finish_gelu_tanh_bf16)},
                                 {0},
                                 {[CK_F32] = CK_NAME(finish_gelu_tanh_saving_f32),
                                  [CK_BF16] = CK_NAME(finish_gelu_tanh_saving_bf16)}},
      [CK_EPILOGUE_GELU_TANH_GRADIENT] = {{[CK_F32] = CK_NAME(finish_gelu_tanh_gradient_f32),
                                           [CK_BF16] = CK_NAME(finish_gelu_tanh_gradient_bf16)}},
      [CK_EPILOGUE_SILU] = {{[CK_F32] = CK_NAME(finish_silu_f32), [CK_BF16] = CK_NAME(finish_silu_bf16)}},
  };
  const ck_epilogue *epilogue = &part->finish->epilogue;
  if ((epilogue->saved && epilogue->residual) || part->mask) return NULL;
  return ways[epilogue->function][epilogue->saved ? 2 : epilogue->residual ? 1 : 0][part->finish->type];
}
