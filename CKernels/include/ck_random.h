// Counter-based random numbers: Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as
// 1, 2, 3", SC 2011). No state: element e of stream (seed, stream) is a pure function of the three.
//
//   key = (seed low, seed high)    counter = (block low, block high, stream low, stream high)
//   word e is word e mod 4 of block e / 4
//
// `first` is the index of out[0] in its stream and a multiple of 4; first + count must fit 64 bits.
// The bits are equal on every instruction set and for any number of workers.
#ifndef CK_RANDOM_H
#define CK_RANDOM_H
#include "ck_runtime.h"

// out[i] = word first + i
ck_status ck_random_bits_u32(const ck_context *context, uint64_t seed, uint64_t stream, uint64_t first, size_t count,
                             uint32_t *out);
// out[i] = (word >> 8) * 2^-24: the 2^24 multiples of 2^-24 in [0, 1), equally likely, exact in f32
ck_status ck_random_uniform_f32(const ck_context *context, uint64_t seed, uint64_t stream, uint64_t first, size_t count,
                                float *out);
// Box and Muller (1958) on the pairs of words (0, 1) and (2, 3) of a block. With words (a, b):
//   r = sqrt(-2 ln((floor(a / 2) + 1/2) * 2^-31)), phi = 2 pi b * 2^-32
//   out[even] = mean + deviation * r cos(phi), out[odd] = mean + deviation * r sin(phi)
// |r| <= 6.66. Computed in f32: instruction sets may differ in the last places.
ck_status ck_random_normal_f32(const ck_context *context, uint64_t seed, uint64_t stream, uint64_t first, size_t count,
                               float mean, float deviation, float *out);
const ck_variant *ck_random_variants(size_t *count);
#endif
