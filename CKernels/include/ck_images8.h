// Windows and pooling of images of bytes, for integer-only inference: as ck_images.h has them for floats.
#ifndef CK_IMAGES8_H
#define CK_IMAGES8_H
#include "ck_images.h"
// y[n, i, j, a, b, c] = x[n, i + a, j + b, c]
ck_status ck_patches_u8(const ck_context *context, ck_images shape, const uint8_t *x, uint8_t *y);
// y[n, i, j, c] = max over a, b of x[n, i side + a, j side + b, c]; the sides must divide height and width.
ck_status ck_maxpool_u8(const ck_context *context, ck_images shape, const uint8_t *x, uint8_t *y);
const ck_variant *ck_images8_variants(size_t *count);
#endif
