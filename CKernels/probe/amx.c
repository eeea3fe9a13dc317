// Four sums, which hide the latency of a product of tiles (52 cycles, one in 16).
#include "runtime/isa.h"
#include "probe/probe.h"
#include "runtime/target.h"
#if defined(__x86_64__)
#include <immintrin.h>

// DOT over registers that all hold `bits`, repeated.
#define LOOP(DOT, bits)                                                                                                \
  int32_t tile[256];                                                                                                   \
  for (int i = 0; i < 256; i++) tile[i] = (bits);                                                                      \
  ck_tiles_enter();                                                                                                    \
  _tile_loadd(4, tile, 64);                                                                                            \
  _tile_loadd(5, tile, 64);                                                                                            \
  _tile_loadd(6, tile, 64);                                                                                            \
  _tile_loadd(7, tile, 64);                                                                                            \
  _tile_zero(0);                                                                                                       \
  _tile_zero(1);                                                                                                       \
  _tile_zero(2);                                                                                                       \
  _tile_zero(3);                                                                                                       \
  for (uint64_t n = 0; n < iterations; n++) {                                                                          \
    DOT(0, 4, 6);                                                                                                      \
    DOT(1, 4, 7);                                                                                                      \
    DOT(2, 5, 6);                                                                                                      \
    DOT(3, 5, 7);                                                                                                      \
  }                                                                                                                    \
  _tile_stored(0, tile, 64);                                                                                           \
  ck_tiles_leave();                                                                                                    \
  return (float)tile[0]

CK_TARGET_BEGIN(CK_TARGET_AMXBF16)
#include "runtime/tiles_amx.inc.h"

float ck_probe_bf16_amxbf16(uint64_t iterations, float seed) { LOOP(_tile_dpbf16ps, (int32_t)(seed * 0x3f803f80)); }
CK_TARGET_END

CK_TARGET_BEGIN(CK_TARGET_AMXINT8)
float ck_probe_s8_amxint8(uint64_t iterations, float seed) { LOOP(_tile_dpbssd, (int32_t)(seed * 0x01020304)); }
CK_TARGET_END
#endif
