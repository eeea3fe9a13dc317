#ifndef CK_MATMUL_PACKED_H
#define CK_MATMUL_PACKED_H
#include "matmul/driver.h"

struct ck_packed {
  const ck_matmul_kernel *kernel;
  ck_isa needs; // of the kernel
  ck_matmul_type type;
  size_t n, k;
  ck_matmul_blocks blocks;
  char *panels;         // k_blocks blocks of all panels
  float *column_scales; // n of them, s8 only
  size_t bytes;         // of the panels
};

// Whether rows x columns elements of any type can be addressed.
bool ck_matmul_fits(size_t rows, size_t columns);
#endif
