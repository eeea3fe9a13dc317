// What kernels on AMX share. A tile register holds 16 rows of 64 bytes. A panel of A, at most 32 rows, is, for every 64
// bytes of K, its rows' bytes one after the other, so that 16 rows are a tile as they lie.
// Include inside CK_TARGET_BEGIN(...), after matmul/dwords_avx512.inc.h.
#include "matmul/types.h"
#include "runtime/tiles_amx.inc.h"

enum { CK_ROWS = 2 * CK_SIDE, CK_TILE_BYTES = CK_SIDE * 64 };

// What will be needed soon: the result's rows in the next tile, and the panel of B that follows.
typedef struct ck_tile_ahead {
  const char *c, *b;
  size_t c_stride, rows, c_rows, b_bytes;
} ck_tile_ahead;
CK_INLINE ck_tile_ahead ck_tile_ahead_of(const ck_matmul_tile *tile) {
  return (ck_tile_ahead){.c = tile->next,
                         .b = tile->ahead,
                         .c_stride = tile->next_stride,
                         .rows = tile->rows,
                         .c_rows = ck_ceil_div(tile->rows, ck_max(tile->units, 1)),
                         .b_bytes = tile->ahead_step / CK_MATMUL_STEP};
}
CK_INLINE void ck_tile_fetch(ck_tile_ahead *ahead) {
  for (size_t i = 0; i < ahead->c_rows && ahead->rows > 0; i++, ahead->rows--, ahead->c += ahead->c_stride) {
    __builtin_prefetch(ahead->c, 1, 3);
    __builtin_prefetch(ahead->c + 64, 1, 3);
  }
  for (size_t i = 0; i < ahead->b_bytes; i += 64) __builtin_prefetch(ahead->b + i, 0, 2);
  ahead->b += ahead->b_bytes;
}

// Rows of A, contiguous along K: 64 bytes of each. The last ones are padded with zeros.
CK_INLINE void ck_pack_a_tiles(char *panel, const char *at, size_t stride, size_t rows, size_t bytes) {
  const size_t rest = bytes % 64;
  const __mmask64 mask = rest ? ~UINT64_C(0) >> (64 - rest) : 0;
  for (size_t i = 0; i < rows; i++, at += stride, panel += 64) {
    char *to = panel;
    size_t done = 0;
    for (; done + 64 <= bytes; done += 64, to += rows * 64) _mm512_store_si512(to, _mm512_loadu_si512(at + done));
    if (rest) _mm512_store_si512(to, _mm512_maskz_loadu_epi8(mask, at + done));
  }
}

// The description of a kernel of 32 columns: steps of K in a tile, bytes of A's elements; the rest is its own.
#define CK_AMX_KERNEL(steps, element, ...)                                                                             \
  {.mr = CK_ROWS,                                                                                                      \
   .nr = CK_NR,                                                                                                        \
   .kgroup = steps,                                                                                                    \
   .a_bytes = element,                                                                                                 \
   .grain = CK_ROWS,                                                                                                   \
   .unit = steps,                                                                                                      \
   .one_panel = true,                                                                                                  \
   .enter = ck_tiles_enter,                                                                                            \
   .leave = ck_tiles_leave,                                                                                            \
   __VA_ARGS__}
