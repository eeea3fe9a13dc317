// Operands of any matrix product as numbers, as memory that ends (or begins) at a page that cannot be touched, and the
// product as the definition says it. Shares nothing with the kernels.
#ifndef CK_MATMUL_OPERANDS_H
#define CK_MATMUL_OPERANDS_H
#include "ck_matmul.h"
#include <stdbool.h>
#include <stddef.h>

// `bytes` between two inaccessible pages, touching one of them: the one after when at_end, else the one before.
typedef struct guarded {
  char *pages, *data;
  size_t accessible, bytes;
} guarded;
guarded guarded_create(size_t bytes, bool at_end);
bool guarded_intact(guarded memory); // whether what lies between `data` and the other page is as it was
void guarded_destroy(guarded memory);

typedef enum filling {
  EXACT,   // fractions with few bits: every sum of up to a thousand products is exact in f32
  RANDOM,  // numbers that need rounding
  EXTREME, // integers at the ends of their range
  SPECIAL, // RANDOM with an infinity and a NaN in A, where it holds floats
  FILLINGS
} filling;

typedef struct operands {
  ck_product product;
  size_t m, n, k, group;
  ck_orientation a_orientation, b_orientation;
  filling filling;
  uint64_t seed;
  ck_type a_type, b_type; // in memory; CK_TYPES for 4-bit weights
  double *a, *b;          // [m, k] and [n, k], what the elements stand for
  double *sums, *sizes;   // [m, n], the sums and those of magnitudes
  guarded b_data, group_scales, zero_points;
} operands;
operands operands_draw(ck_product product, size_t m, size_t n, size_t k, uint64_t seed);
void operands_destroy(operands *operands);
void operands_print(const operands *operands);

// Rows of A as they are in memory: of the product's type, or f32.
guarded operands_rows(const operands *operands, size_t first, size_t count, ck_type type, bool at_end);
bool operands_integral(const operands *operands); // sums are s32
double operands_tolerance(const operands *operands, size_t i, size_t j);

// Next number of a sequence: splitmix64.
uint64_t draw(uint64_t *state);
static inline size_t draw_below(uint64_t *state, size_t bound) { return (size_t)(draw(state) % bound); }
// The nearest number with so many bits of fraction, ties to even; `least` is the exponent of the smallest normal one.
double rounded_to(double x, int fraction, int least);
void element_write(void *to, ck_type type, double x); // x is a number of the type
#endif
