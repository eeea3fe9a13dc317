// The epilogue at each width. The common ways from sums to C are one pass over registers, for pairs of rows and whole
// vectors. What is left, and everything else, goes stage by stage through a small array.
#include "vector/math.inc.h"

#include "random/philox.inc.h"
#include "vector/gelu.inc.h"
#include "vector/halves.inc.h"

typedef int8_t CK_NAME(finish_bytes) __attribute__((ext_vector_type(CK_LANES)));
typedef int16_t CK_NAME(finish_kept) __attribute__((ext_vector_type(2 * CK_LANES)));
typedef uint16_t CK_NAME(finish_halves) __attribute__((ext_vector_type(2 * CK_LANES)));
typedef bool CK_NAME(finish_bools) __attribute__((ext_vector_type(2 * CK_LANES)));

// Vectors from and to memory of a type that is known when this is compiled; `count` elements.
CK_VECTOR vfloat CK_NAME(finish_load)(const void *from, ck_type type, size_t e, size_t count) {
  if (type == CK_F32) {
    const float *p = (const float *)from + e;
    return count == CK_LANES ? vload(p) : vload_part(p, count, 0);
  }
  const uint16_t *p = (const uint16_t *)from + e;
  vhalf h = count == CK_LANES ? vload_half(p) : vload_half_part(p, count);
  return type == CK_BF16 ? vwiden_bf16(h) : vwiden_f16(h);
}

typedef struct CK_NAME(finish_quantizer) {
  vfloat scale, low, high;
  vint zero;
} CK_NAME(finish_quantizer);
CK_VECTOR CK_NAME(finish_quantizer) CK_NAME(finish_quantizer_of)(const ck_epilogue *epilogue) {
  int32_t zero = epilogue->result_zero;
  return (CK_NAME(finish_quantizer)){
      .scale = epilogue->result_scale,
      .low = (float)(-128 - zero),
      .high = (float)(127 - zero),
      .zero = zero,
  };
}

CK_VECTOR void CK_NAME(finish_store)(void *to, ck_type type, size_t e, size_t count, vfloat v,
                                     const CK_NAME(finish_quantizer) * quantizer) {
  if (type == CK_F32) {
    float *p = (float *)to + e;
    if (count == CK_LANES)
      vstore(p, v);
    else
      vstore_part(p, count, v);
  } else if (type == CK_S8) {
    // Clamped between whole numbers first, which rounding then respects. Adding CK_ROUNDER rounds half to even and
    // leaves the whole number in the low bits.
    vfloat q = v / quantizer->scale;
    q = q == q ? q : (vfloat)(0.0f);
    q = vmin(quantizer->high, vmax(quantizer->low, q));
    vint bits = (vint)(q + CK_ROUNDER) + quantizer->zero;
    CK_NAME(finish_bytes) bytes = __builtin_convertvector(bits, CK_NAME(finish_bytes));
    if (count == CK_LANES)
      __builtin_memcpy((int8_t *)to + e, &bytes, sizeof bytes);
    else
      __builtin_memcpy((int8_t *)to + e, &bytes, count);
  } else {
    uint16_t *p = (uint16_t *)to + e;
    vhalf h = type == CK_BF16 ? vnarrow_bf16(v) : vnarrow_f16(v);
    if (count == CK_LANES)
      vstore_half(p, h);
    else
      vstore_half_part(p, count, h);
  }
}

// x scaled where a bit of `bits` is set, else +0, whatever x is.
CK_VECTOR vfloat CK_NAME(finish_keep)(uint32_t bits, vfloat x, float scale) {
#if CK_LANES == 16
  return (vfloat)_mm512_maskz_mul_ps((__mmask16)bits, (__m512)x, _mm512_set1_ps(scale));
#else
  vint kept = ((vint)(vuint)(bits) & (1 << viota())) != 0;
  return (vfloat)((vint)(x * scale) & kept);
#endif
}

// `coarse`: the result is rounded to bf16, which hides errors thirty times smaller.
CK_VECTOR vfloat CK_NAME(finish_call)(ck_epilogue_function function, vfloat v, vfloat operand, bool coarse) {
  switch (function) {
  case CK_EPILOGUE_GELU_TANH:
    return vgelu_tanh(v, coarse);
  case CK_EPILOGUE_GELU_ERF:
    return vgelu_erf(v);
  case CK_EPILOGUE_SILU:
    return vsilu(v);
  case CK_EPILOGUE_GELU_TANH_GRADIENT:
    return v * vgelu_tanh_derivative(operand, coarse);
  case CK_EPILOGUE_GELU_ERF_GRADIENT:
    return v * vgelu_erf_derivative(operand);
  case CK_EPILOGUE_SILU_GATE:
    return v * vsilu(operand);
  case CK_EPILOGUE_MULTIPLY:
    return v * operand;
  default:
    return v;
  }
}

// What sums are multiplied with and added to. Scales of 1 and a bias of -0 change nothing, not even a zero.
typedef struct CK_NAME(finish_columns) {
  vfloat scale, bias;
} CK_NAME(finish_columns);
CK_VECTOR CK_NAME(finish_columns) CK_NAME(finish_columns_at)(const ck_epilogue *epilogue, size_t column, size_t count) {
  CK_NAME(finish_columns) c = {(vfloat)(1.0f), (vfloat)(-0.0f)};
  if (epilogue->column_scales) c.scale = vload_part(epilogue->column_scales + column, count, 0);
  if (epilogue->bias) c.bias = vload_part(epilogue->bias + column, count, 0);
  return c;
}
// `whole`: all ones when the sums are integers.
CK_VECTOR vfloat CK_NAME(finish_scale)(const float *sums, vint whole, float row_scale, CK_NAME(finish_columns) column) {
  vfloat sum = vload(sums);
  sum = vselect(whole, __builtin_convertvector((vint)sum, vfloat), sum);
  return vfma(sum, row_scale * column.scale, column.bias);
}
CK_VECTOR vint CK_NAME(finish_whole)(const ck_finish *finish) {
  return finish->sums == CK_S32 ? (vint)(-1) : (vint)(0);
}

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

// One bit of `bits` for each half that is at least the threshold, the lowest half first.
CK_VECTOR void CK_NAME(finish_compare)(vuint words, uint16_t threshold, uint8_t *bits) {
  CK_NAME(finish_kept) kept = (CK_NAME(finish_halves))words >= threshold;
  CK_NAME(finish_bools) bools = __builtin_convertvector(kept, CK_NAME(finish_bools));
  __builtin_memcpy(bits, &bools, CK_LANES / 4);
}

// Draws for the part's elements. A row need not start with a block: the blocks of all rows are gathered first, so that
// the generator's lanes are full.
static void CK_NAME(finish_draw)(const finish_part *part, finish_mask *mask) {
  const ck_finish *finish = part->finish;
  uint64_t blocks[FINISH_BLOCKS + FINISH_SLACK];
  size_t count = 0;
  for (size_t i = 0; i < part->rows; ++i) {
    uint64_t e = (uint64_t)(part->row + i) * finish->n + part->column;
    size_t shift = e % 8, own = (shift + part->columns + 7) / 8;
    mask->first[i] = (uint16_t)(8 * count + shift);
    for (size_t b = 0; b < own; ++b) blocks[count + b] = e / 8 + b;
    count += own;
  }
  for (size_t b = count; b < ck_round_up(count, CK_LANES); ++b) blocks[b] = 0;
  vphilox_keys keys = vphilox_spread(&finish->philox);
  for (size_t b = 0; b < count; b += CK_LANES) {
    vuint words[4];
    vphilox_at(&keys, blocks + b, words);
    for (size_t w = 0; w < 4; ++w)
      CK_NAME(finish_compare)(words[w], finish->threshold, mask->bits + b + w * (CK_LANES / 4));
  }
}

static void CK_NAME(finish_tile)(const ck_finish *finish, float *sums, size_t stride, const float *row_scales,
                                 size_t row, size_t rows, size_t column, size_t columns) {
  finish_part part = {
      .finish = finish,
      .sums = sums,
      .row_scales = row_scales ? row_scales : &no_scale,
      .stride = stride,
      .row_step = row_scales != NULL,
      .row = row,
      .rows = rows,
      .column = column,
      .columns = columns,
  };
  if (finish->threshold == 0) {
    CK_NAME(finish_part)(&part);
    return;
  }
  // As much at a time as the mask holds: a row of c columns has at most c / 8 + 2 blocks.
  enum { MOST_COLUMNS = 8 * (FINISH_BLOCKS - 2) / CK_LANES * CK_LANES };
  finish_mask mask;
  part.mask = &mask;
  for (size_t j = 0; j < columns; j += part.columns) {
    part.column = column + j;
    part.columns = ck_min(columns - j, MOST_COLUMNS);
    size_t together = FINISH_BLOCKS / (part.columns / 8 + 2);
    for (size_t i = 0; i < rows; i += part.rows) {
      part.row = row + i;
      part.rows = ck_min(rows - i, together);
      part.sums = sums + i * stride + j;
      if (row_scales) part.row_scales = row_scales + i;
      CK_NAME(finish_draw)(&part, &mask);
      CK_NAME(finish_part)(&part);
    }
  }
}
