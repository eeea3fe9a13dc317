#include "vector/math.inc.h"
#include <string.h>

#define CK_PIXEL float
#define CK_PIXEL_NAME(name) CK_NAME(name)
#include "images/windows.inc.h"
#define CK_PIXEL uint8_t
#define CK_PIXEL_NAME(name) CK_NAME(name##_u8)
#include "images/windows.inc.h"

static void CK_NAME(patches_backward)(const images_job *job, size_t image) {
  const ck_images s = job->shape;
  const size_t row = s.width * s.channels, run = s.side * s.channels;
  const size_t height = s.height - s.side + 1, width = s.width - s.side + 1;
  float *dx = (float *)job->out + image * s.height * row;
  const float *dy = job->dy + image * height * width * s.side * run;
  memset(dx, 0, s.height * row * sizeof *dx);
  for (size_t i = 0; i < height; i++)
    for (size_t j = 0; j < width; j++)
      for (size_t a = 0; a < s.side; a++, dy += run) {
        float *to = dx + (i + a) * row + j * s.channels;
        for (size_t l = 0; l < run; l++) to[l] += dy[l];
      }
}

static void CK_NAME(maxpool_backward)(const images_job *job, size_t image) {
  const ck_images s = job->shape;
  const size_t row = s.width * s.channels, pooled = (s.height / s.side) * (s.width / s.side) * s.channels;
  const float *x = (const float *)job->x + image * s.height * row, *y = job->y + image * pooled,
              *dy = job->dy + image * pooled;
  float *dx = (float *)job->out + image * s.height * row;
  enum { BLOCK = 64 };
  int32_t given[BLOCK];
  for (size_t i = 0; i < s.height; i += s.side)
    for (size_t j = 0; j < s.width; j += s.side, y += s.channels, dy += s.channels)
      for (size_t first = 0; first < s.channels; first += BLOCK) {
        const size_t count = ck_min(s.channels - first, BLOCK);
        memset(given, 0, sizeof given);
        for (size_t a = 0; a < s.side; a++)
          for (size_t b = 0; b < s.side; b++) {
            const size_t at = (i + a) * row + (j + b) * s.channels + first;
            for (size_t c = 0; c < count; c++) {
              const int32_t here = (x[at + c] == y[first + c]) & !given[c];
              dx[at + c] = here ? dy[first + c] : 0;
              given[c] |= here;
            }
          }
      }
}

static void CK_NAME(gather)(const images_job *job, size_t image) {
  const ck_images s = job->shape;
  const size_t row = s.width * s.channels, size = s.height * row;
  const float *x = (const float *)job->x + (size_t)job->rows[image] * size;
  float *y = (float *)job->out + image * size;
  const ptrdiff_t down = job->shifts ? job->shifts[2 * image] : 0, right = job->shifts ? job->shifts[2 * image + 1] : 0;
  if (down == 0 && right == 0) {
    memcpy(y, x, size * sizeof *y);
    return;
  }
  for (ptrdiff_t i = 0; i < (ptrdiff_t)s.height; i++, y += row)
    for (ptrdiff_t j = 0; j < (ptrdiff_t)s.width; j++) {
      const ptrdiff_t k = i - down, l = j - right;
      const bool inside = k >= 0 && k < (ptrdiff_t)s.height && l >= 0 && l < (ptrdiff_t)s.width;
      for (size_t c = 0; c < s.channels; c++)
        y[(size_t)j * s.channels + c] = inside ? x[(size_t)k * row + (size_t)l * s.channels + c] : 0;
    }
}
