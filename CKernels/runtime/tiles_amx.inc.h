// The eight tile registers of AMX, all of them whole: 16 rows of 64 bytes. They are laid out once for a worker's task,
// which takes 80 ns; what lies in memory behind fewer rows is multiplied along with them and falls away. Include inside
// CK_TARGET_BEGIN(...).
#include <immintrin.h>
#include <stdint.h>

enum { CK_SIDE = 16 };

static void ck_tiles_enter(void) {
  const struct {
    uint8_t palette, start, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
  } layout = {.palette = 1, .row_bytes = {64, 64, 64, 64, 64, 64, 64, 64}, .rows = {16, 16, 16, 16, 16, 16, 16, 16}};
  _tile_loadconfig(&layout);
}
static void ck_tiles_leave(void) { _tile_release(); }
