// Choosing among the widths of an operation, and the fixed splits that make sums the same for any worker count.
#ifndef CK_VECTOR_WIDTHS_H
#define CK_VECTOR_WIDTHS_H
#include "runtime/worker.h"

// static const ck_variant variants[] = {CK_EACH_WIDTH(CK_WIDTH_VARIANT)};  (the body includes vector/math.inc.h)
#define CK_WIDTH_VARIANT(width) {#width, ck_width_needs_##width},

// Index of the first variant that the context allows; the last one, portable, always is.
static inline size_t ck_first_allowed(const ck_variant *variants, size_t count, const ck_context *context) {
  ck_isa allowed = ck_context_isa(context);
  for (size_t i = 0; i + 1 < count; ++i)
    if ((variants[i].needs & allowed) == variants[i].needs) return i;
  return count - 1;
}

static inline bool ck_product_overflows(size_t a, size_t b) {
  size_t product;
  return __builtin_mul_overflow(a, b, &product) || product > SIZE_MAX / 16;
}

enum { CK_ROW_CHUNK = 64, CK_ROW_CHUNKS = 256, CK_COLUMN_BLOCK = 256, CK_FLAT_CHUNK = 8192 };

// Rows summed by one task before the tree: 64, more only when there would be over 256 partial sums. A function of the
// shape alone, never of the workers.
static inline size_t ck_chunk_rows(size_t rows) {
  return ck_max(CK_ROW_CHUNK, ck_round_up(ck_ceil_div(rows, CK_ROW_CHUNKS), CK_ROW_CHUNK));
}

// Rows of one task where rows are independent of each other: about 64 KiB of them, a multiple of 4 where that is many.
static inline size_t ck_block_rows(size_t columns) {
  size_t rows = ck_max(1, 16384 / ck_max(1, columns));
  return rows < 8 ? rows : rows / 4 * 4;
}
#endif
