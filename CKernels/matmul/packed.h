#ifndef CK_MATMUL_PACKED_H
#define CK_MATMUL_PACKED_H
#include "matmul/driver.h"
#include "matmul/masked.h"
#include "runtime/placed.h"

struct ck_packed {
  const ck_matmul_kernel *kernel;
  ck_isa needs; // of the kernel
  ck_product product;
  size_t n, k;
  ck_placed *panels;    // one after the other, each with all of K
  float *column_scales; // n of them, or NULL
  size_t bytes;         // of one copy of the panels
  ck_form form;
  ck_masked masked; // of CK_FORM_BITMASK
};

// packed_s8.c: ck_packed_update and ck_packed_update_both of s8 weights with scales; forward or backward may be NULL.
ck_status ck_packed_requantize(const ck_context *context, ck_packed *forward, ck_packed *backward, const float *w);
#endif
