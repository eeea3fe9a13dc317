// Attention at one vector width. Scores have queries in rows and keys in lanes, so keys and (backward) values are
// transposed into tiles of CK_KEY_TILE columns; outputs and gradients have the head's width in lanes.
// Keys that a row does not see get probability exactly 0, so whole blocks of their scores may be left out or computed
// alike. The forward product with the values ends at each row's own key, because values may be infinite.
#include "vector/math.inc.h"
#define CK_TILE_VECTORS (CK_KEY_TILE / CK_LANES)

#include "attention/product.inc.h"
#include "attention/tiles.inc.h"
#include "attention/forward.inc.h"
#include "attention/backward.inc.h"

#undef CK_TILE_VECTORS
#undef CK_BLOCK_ROWS
#undef CK_BLOCK_VECTORS
#undef CK_START_ZERO
#undef CK_START_KEEP
#undef CK_START_SCALED
