// Attention at one vector width. Scores have queries in rows and keys in lanes, so keys and (backward) values are
// transposed into blocks of CK_KEY_BLOCK columns; outputs and gradients have the head's width in lanes.
// Operands of products are packed in words of 32 bits, CK_GROUP neighbouring steps of the sum in each: one f32, or a
// pair of bf16 (a width's words: ceil(width / CK_GROUP)). What fills up a word is zero.
// Keys that a row does not see get probability exactly 0, so whole blocks of their scores may be left out or computed
// alike. The forward product with the values ends at each row's own key, because values may be infinite. With CK_TILES
// products are those of AMX, which take whole tiles: see forward_amx.inc.h.
#include "vector/math.inc.h"
#include "vector/exponent.inc.h"
#if defined(CK_HALVES)
#include "vector/halves.inc.h"
#endif

// Words of a row of `width` as steps of a sum.
#if CK_TILES
#define CK_WORDS(width) ck_round_up(ck_ceil_div(width, CK_GROUP), CK_LANES) // whole tiles
#else
#define CK_WORDS(width) ck_ceil_div(width, CK_GROUP)
#endif

#include "attention/elements.inc.h"
#if CK_TILES
#include "attention/product_amx.inc.h"
#else
#include "attention/product.inc.h"
#endif
#include "attention/tiles.inc.h"
#include "attention/forward.inc.h"
#include "attention/backward_common.inc.h"
#if CK_TILES
#include "attention/backward_amx.inc.h"
#else
#include "attention/backward.inc.h"
#endif

#undef CK_ELEMENT
#undef CK_STEP
#undef CK_WORDS
#undef CK_QUERY_STEP
#undef CK_EXPONENT_SCALE
#undef CK_EXPONENT_BIAS
#undef CK_BLOCK_VECTORS
#undef CK_LAST
#undef CK_START_ZERO
#undef CK_START_KEEP
#undef CK_START_SCALED
#undef CK_START_FROM
