// What convolutional layers need besides a matrix product, on images of [count, height, width, channels].
#ifndef CK_IMAGES_H
#define CK_IMAGES_H
#include "ck_runtime.h"
typedef struct ck_images {
  size_t count, height, width, channels;
  size_t side; // of the square window, 1 ... min(height, width)
} ck_images;
// Patches of a convolution without padding, at every pixel (Chellapilla et al., 2006): with H' = height - side + 1 and
// W' = width - side + 1, y of [count, H', W', side, side, channels] is
//   y[n, i, j, a, b, c] = x[n, i + a, j + b, c].
ck_status ck_patches_f32(const ck_context *context, ck_images shape, const float *x, float *y);
// The gradient: dx[n, i, j, c] = sum over a, b of dy[n, i - a, j - b, a, b, c] where that exists, a and b rising.
ck_status ck_patches_backward_f32(const ck_context *context, ck_images shape, const float *dy, float *dx);
// The largest element of each window of side x side pixels, side by side; the sides must divide height and width:
//   y[n, i, j, c] = max over a, b of x[n, i side + a, j side + b, c]; NaN where one is NaN in the first place.
ck_status ck_maxpool_f32(const ck_context *context, ck_images shape, const float *x, float *y);
// The gradient goes to the first of the largest elements; all of dx is written.
ck_status ck_maxpool_backward_f32(const ck_context *context, ck_images shape, const float *dy, const float *x,
                                  const float *y, float *dx);
// Rows of an array, moved by whole pixels: y[n, i, j, c] = x[rows[n], i - dy, j - dx, c], zero outside, with
// (dy, dx) = (shifts[2 n], shifts[2 n + 1]), or (0, 0) where shifts is NULL. shape.count counts rows of y, and side is
// not used; `available` counts those of x. Rows out of range: CK_BAD_ARGUMENT.
ck_status ck_gather_images_f32(const ck_context *context, ck_images shape, const int32_t *rows, const int8_t *shifts,
                               const float *x, size_t available, float *y);
// The same of bytes, for inference in integers alone.
ck_status ck_patches_u8(const ck_context *context, ck_images shape, const uint8_t *x, uint8_t *y);
ck_status ck_maxpool_u8(const ck_context *context, ck_images shape, const uint8_t *x, uint8_t *y);
const ck_variant *ck_images_variants(size_t *count);
#endif
