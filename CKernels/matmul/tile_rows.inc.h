#include "matmul/types.h"

// A tile function is one inlined body, compiled for each number of rows and of panels, so that the sums stay in
// registers. CK_TILE_CASES_<MR>(BODY) are the cases of a switch over CK_TILE_KEY, for ck_matmul_panels.
#define CK_TILE_KEY(tile, nr) ((tile)->rows * 16 + ((tile)->columns + (nr) - 1) / (nr))
#define CK_TILE_CASE(BODY, rows, panels)                                                                               \
  case rows * 16 + panels:                                                                                             \
    BODY(tile, rows, panels);                                                                                          \
    break;
#define CK_TILE_CASES_4(BODY)                                                                                          \
  CK_TILE_CASE(BODY, 1, 1)                                                                                             \
  CK_TILE_CASE(BODY, 1, 2) CK_TILE_CASE(BODY, 2, 1) CK_TILE_CASE(BODY, 2, 2) CK_TILE_CASE(BODY, 3, 1)                  \
      CK_TILE_CASE(BODY, 4, 1)
#define CK_TILE_CASES_6(BODY)                                                                                          \
  CK_TILE_CASES_4(BODY) CK_TILE_CASE(BODY, 3, 2) CK_TILE_CASE(BODY, 5, 1) CK_TILE_CASE(BODY, 6, 1)
#define CK_TILE_CASES_14(BODY)                                                                                         \
  CK_TILE_CASES_6(BODY)                                                                                                \
  CK_TILE_CASE(BODY, 4, 2) CK_TILE_CASE(BODY, 5, 2) CK_TILE_CASE(BODY, 6, 2) CK_TILE_CASE(BODY, 7, 1)                  \
      CK_TILE_CASE(BODY, 7, 2) CK_TILE_CASE(BODY, 8, 1) CK_TILE_CASE(BODY, 9, 1) CK_TILE_CASE(BODY, 10, 1)             \
          CK_TILE_CASE(BODY, 11, 1) CK_TILE_CASE(BODY, 12, 1) CK_TILE_CASE(BODY, 13, 1) CK_TILE_CASE(BODY, 14, 1)

// With so few rows the weights come from memory, and only a fetch this far ahead keeps enough of them on their way.
#ifndef CK_STREAM_ROWS
#define CK_STREAM_ROWS 8
#define CK_STREAM_AHEAD 2048
#endif

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
