// Windows of an image whose numbers are of type CK_PIXEL.

static void CK_PIXEL_NAME(patches)(const images_job *job, size_t image) {
  const ck_images s = job->shape;
  const size_t row = s.width * s.channels, run = s.side * s.channels;
  const size_t height = s.height - s.side + 1, width = s.width - s.side + 1;
  const CK_PIXEL *x = (const CK_PIXEL *)job->x + image * s.height * row;
  CK_PIXEL *y = (CK_PIXEL *)job->out + image * height * width * s.side * run;
  for (size_t i = 0; i < height; i++)
    for (size_t j = 0; j < width; j++)
      for (size_t a = 0; a < s.side; a++, y += run) {
        const CK_PIXEL *from = x + (i + a) * row + j * s.channels;
        for (size_t l = 0; l < run; l++) y[l] = from[l];
      }
}

static void CK_PIXEL_NAME(maxpool)(const images_job *job, size_t image) {
  const ck_images s = job->shape;
  const size_t row = s.width * s.channels;
  const CK_PIXEL *x = (const CK_PIXEL *)job->x + image * s.height * row;
  CK_PIXEL *y = (CK_PIXEL *)job->out + image * (s.height / s.side) * (s.width / s.side) * s.channels;
  for (size_t i = 0; i < s.height; i += s.side)
    for (size_t j = 0; j < s.width; j += s.side, y += s.channels) {
      const CK_PIXEL *window = x + i * row + j * s.channels;
      memcpy(y, window, s.channels * sizeof *y);
      for (size_t a = 0; a < s.side; a++)
        for (size_t b = 0; b < s.side; b++) {
          const CK_PIXEL *from = window + a * row + b * s.channels;
          for (size_t c = 0; c < s.channels; c++) y[c] = from[c] > y[c] ? from[c] : y[c];
        }
    }
}

#undef CK_PIXEL
#undef CK_PIXEL_NAME
