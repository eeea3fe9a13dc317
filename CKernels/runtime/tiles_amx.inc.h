// The eight tile registers of AMX: at most 16 rows of 64 bytes each. Include inside CK_TARGET_BEGIN(...).
#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

enum { CK_SIDE = 16 };

// Lays the registers out: 0 to 3 for sums and 4 and 5 for A, with so many rows; rows of A of a_bytes; 6 and 7 for B,
// with b_rows of 64 bytes. It takes 80 ns, so that it is done once for a worker's task, with whole tiles: what lies in
// memory behind fewer rows is multiplied along with them and falls away.
static inline void ck_tiles_lay_out(size_t rows, size_t a_bytes, size_t b_rows) {
  struct {
    uint8_t palette, start, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
  } layout = {.palette = 1};
  for (size_t t = 0; t < 8; t++) {
    layout.row_bytes[t] = t == 4 || t == 5 ? (uint16_t)a_bytes : 64;
    layout.rows[t] = (uint8_t)(t < 6 ? rows : b_rows);
  }
  _tile_loadconfig(&layout);
}
static void ck_tiles_enter(void) { ck_tiles_lay_out(CK_SIDE, 64, CK_SIDE); }
static void ck_tiles_leave(void) { _tile_release(); }
