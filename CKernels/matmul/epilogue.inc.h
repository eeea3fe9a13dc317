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

#include "matmul/epilogue_one_pass.inc.h"
#include "matmul/epilogue_stages.inc.h"

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
