#include "matmul/types.h"

// A tile function is one inlined body, compiled for each number of rows and of panels, so that the sums stay in
// registers. CK_TILE_CASES_<MR>(BODY) are the cases of a switch over CK_TILE_KEY, for ck_matmul_panels.
#define CK_TILE_KEY(tile, nr) ((tile)->rows * 16 + ((tile)->columns + (nr) - 1) / (nr))
#define CK_TILE_CASE(BODY, rows, panels)                                                                               \
  case rows * 16 + panels:                                                                                             \
    BODY(tile, rows, panels);                                                                                          \
    break;
// clang-format off: it takes lists of cases for declarations
#define CK_TILE_CASES_4(BODY)                                                                                          \
  CK_TILE_CASE(BODY, 1, 1) CK_TILE_CASE(BODY, 1, 2) CK_TILE_CASE(BODY, 2, 1) CK_TILE_CASE(BODY, 2, 2)                  \
  CK_TILE_CASE(BODY, 3, 1) CK_TILE_CASE(BODY, 4, 1)
#define CK_TILE_CASES_6(BODY)                                                                                          \
  CK_TILE_CASES_4(BODY)                                                                                                \
  CK_TILE_CASE(BODY, 3, 2) CK_TILE_CASE(BODY, 5, 1) CK_TILE_CASE(BODY, 6, 1)
#define CK_TILE_CASES_14(BODY)                                                                                         \
  CK_TILE_CASES_6(BODY)                                                                                                \
  CK_TILE_CASE(BODY, 4, 2) CK_TILE_CASE(BODY, 5, 2) CK_TILE_CASE(BODY, 7, 1) CK_TILE_CASE(BODY, 8, 1)                  \
  CK_TILE_CASE(BODY, 9, 1) CK_TILE_CASE(BODY, 10, 1) CK_TILE_CASE(BODY, 11, 1) CK_TILE_CASE(BODY, 12, 1)               \
  CK_TILE_CASE(BODY, 13, 1) CK_TILE_CASE(BODY, 14, 1)
// clang-format on

// How far ahead in its panels of B a tile of so many rows fetches into L2, in bytes. With few rows B comes from memory:
// the fewer, the more the hardware sees by itself and the less far it must be; with many it is in L2 already and this
// costs nothing. Measured on Zen 4: at 1024 bytes M = 1 and 4 run at 0.95 to 1.0 of the roofline, at 2048 f16 drops to
// 0.66, at 8192 f32 to 0.77 and M = 4 to 0.70; M = 8 has 0.93 to 0.96 at 8192 and 0.80 at 4096.
CK_INLINE size_t ck_stream_ahead(size_t rows) { return rows <= 5 ? 1024 : 8192; }

// Spreads over a tile what the next one will wait for: its rows of C, and the part of the next panel of B that falls to
// this tile. Hardware foresees neither, since both jump.
typedef struct ck_prefetch {
  const char *c, *b;
  size_t c_step, b_step, rows;
} ck_prefetch;

CK_INLINE ck_prefetch ck_prefetch_start(const ck_matmul_tile *tile) {
  return (ck_prefetch){tile->next, tile->ahead, tile->next_stride, tile->ahead_step, tile->rows};
}
CK_INLINE void ck_prefetch_step(ck_prefetch *p) {
  __builtin_prefetch(p->c, 0, 3);
  __builtin_prefetch(p->c + 64, 0, 3);
  p->c += p->rows > 1 ? p->c_step : 0;
  p->rows -= p->rows > 1;
  __builtin_prefetch(p->b, 0, 2);
  p->b += p->b_step;
}
