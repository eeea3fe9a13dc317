// Between f32 and the 16-bit floats, which cross this boundary as their bits: bf16 (8 bits of exponent, 7 of fraction)
// and f16 (IEEE binary16: 5 and 10).
//
// To f32: exact; denormals keep their values. A NaN keeps its sign and payload; a signalling f16 becomes quiet, a bf16
//   keeps all of its bits.
// From f32: IEEE round to nearest, ties to even, with gradual underflow. What rounds beyond the largest finite number
//   (bf16 2^128 - 2^120, f16 65504) becomes infinity. A NaN keeps its sign and the upper bits of its payload, and
//   becomes quiet.
// Bits are equal on every instruction set and for any number of workers. x and y must not overlap.
#ifndef CK_CONVERT_H
#define CK_CONVERT_H
#include "ck_runtime.h"

ck_status ck_convert_f32_bf16(const ck_context *context, size_t count, const float *x, uint16_t *y);
ck_status ck_convert_bf16_f32(const ck_context *context, size_t count, const uint16_t *x, float *y);
ck_status ck_convert_f32_f16(const ck_context *context, size_t count, const float *x, uint16_t *y);
ck_status ck_convert_f16_f32(const ck_context *context, size_t count, const uint16_t *x, float *y);
const ck_variant *ck_convert_variants(size_t *count);
#endif
