#ifndef CK_MATMUL_PACKED_H
#define CK_MATMUL_PACKED_H
#include "matmul/driver.h"
#include "runtime/placed.h"

struct ck_packed {
  const ck_matmul_kernel *kernel;
  ck_isa needs; // of the kernel
  ck_product product;
  size_t n, k;
  ck_placed *panels;    // one after the other, each with all of K
  float *column_scales; // n of them, or NULL
  size_t bytes;         // of one copy of the panels
};
#endif
