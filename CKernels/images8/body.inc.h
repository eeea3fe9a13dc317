#include "vector/math.inc.h"
#include <string.h>

static void CK_NAME(patches8)(const images8_job *job, size_t image) {
  const ck_images s = job->shape;
  const size_t row = s.width * s.channels, run = s.side * s.channels;
  const size_t height = s.height - s.side + 1, width = s.width - s.side + 1;
  const uint8_t *x = job->x + image * s.height * row;
  uint8_t *y = job->y + image * height * width * s.side * run;
  for (size_t i = 0; i < height; i++)
    for (size_t j = 0; j < width; j++)
      for (size_t a = 0; a < s.side; a++, y += run) memcpy(y, x + (i + a) * row + j * s.channels, run);
}

static void CK_NAME(maxpool8)(const images8_job *job, size_t image) {
  const ck_images s = job->shape;
  const size_t row = s.width * s.channels;
  const uint8_t *x = job->x + image * s.height * row;
  uint8_t *y = job->y + image * (s.height / s.side) * (s.width / s.side) * s.channels;
  for (size_t i = 0; i < s.height; i += s.side)
    for (size_t j = 0; j < s.width; j += s.side, y += s.channels) {
      const uint8_t *window = x + i * row + j * s.channels;
      memcpy(y, window, s.channels);
      for (size_t a = 0; a < s.side; a++)
        for (size_t b = 0; b < s.side; b++) {
          const uint8_t *from = window + a * row + b * s.channels;
          for (size_t c = 0; c < s.channels; c++) y[c] = from[c] > y[c] ? from[c] : y[c];
        }
    }
}
