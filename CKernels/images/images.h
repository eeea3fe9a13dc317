#ifndef IMAGES_H
#define IMAGES_H
#include "ck_images.h"
typedef struct images_job images_job;
// One image.
typedef void images_kernel(const images_job *job, size_t image);
struct images_job {
  images_kernel *kernel;
  ck_images shape;
  const void *x; // floats, or bytes where the kernel takes them
  void *out;
  const float *y, *dy;
  const int32_t *rows;
  const int8_t *shifts;
};
#endif
