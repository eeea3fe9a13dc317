// The row kernels of the bit mask. `columns` elements of one row, its mask of ceil(columns / 8) bytes, and its `count`
// values: no kernel reads or writes beyond them.
#ifndef CK_BITMASK_KERNELS_H
#define CK_BITMASK_KERNELS_H
#include "ck_bitmask.h"

// bit j = x[j] != 0, padding bits 0; returns the number of bits set
typedef size_t ck_mask_row_f32(const float *x, size_t columns, uint8_t *mask);
typedef size_t ck_mask_row_s8(const int8_t *x, size_t columns, uint8_t *mask);
// values = the elements of x whose bit is set
typedef void ck_compress_row_f32(const float *x, const uint8_t *mask, size_t columns, float *values, size_t count);
typedef void ck_compress_row_s8(const int8_t *x, const uint8_t *mask, size_t columns, int8_t *values, size_t count);
// y = the values at the set bits, 0 elsewhere
typedef void ck_expand_row_f32(const float *values, size_t count, const uint8_t *mask, size_t columns, float *y);
typedef void ck_expand_row_s8(const int8_t *values, size_t count, const uint8_t *mask, size_t columns, int8_t *y);
// y = 0 where the bit is clear
typedef void ck_apply_row_f32(const uint8_t *mask, size_t columns, float *y);

typedef struct ck_bitmask_kernels {
  ck_mask_row_f32 *mask_f32;
  ck_mask_row_s8 *mask_s8;
  ck_compress_row_f32 *compress_f32;
  ck_compress_row_s8 *compress_s8;
  ck_expand_row_f32 *expand_f32;
  ck_expand_row_s8 *expand_s8;
  ck_apply_row_f32 *apply_f32;
} ck_bitmask_kernels;
#define CK_BITMASK(name, needs) extern const ck_bitmask_kernels ck_bitmask_##name;
#include "bitmask/variants.inc.h"
#undef CK_BITMASK
#if defined(__x86_64__)
// Shared by the wider variants, which have nothing better for bytes.
ck_mask_row_s8 ck_mask_row_s8_avx512;
ck_mask_row_f32 ck_mask_row_f32_avx512;
ck_compress_row_f32 ck_compress_row_f32_avx512;
ck_expand_row_f32 ck_expand_row_f32_avx512;
ck_apply_row_f32 ck_apply_row_f32_avx512;
ck_compress_row_s8 ck_compress_row_s8_avx2;
ck_expand_row_s8 ck_expand_row_s8_avx2;
#endif
#endif
