// Internal to matmul: the job that driver.c validates and plans, and the loops run.
#ifndef CK_MATMUL_DRIVER_H
#define CK_MATMUL_DRIVER_H
#include "matmul/epilogue.h"
#include "matmul/types.h"

// y [rows, columns] = x rounded to halves; x_stride in bytes, y_stride in elements.
typedef void ck_narrow_rows(size_t rows, size_t columns, const char *x, size_t x_stride, uint16_t *y, size_t y_stride);

typedef struct ck_matmul_job {
  const ck_matmul_kernel *kernel;
  ck_matmul_source a, b;
  ck_matmul_pack *pack_a;
  ck_narrow_rows *narrow;  // B is f32 and becomes bf16 or f16 on the way; or NULL
  bool quantizes;          // A is f32 and becomes s8 on the way
  bool accumulate;         // sums start from C
  const ck_packed *packed; // B packed ahead, or NULL
  bool dense;              // its panels are multiplied as they lie in memory
  char *c;                 // or, from ck_packed_create, where the panels of B go
  size_t m, n, k;
  ck_finish_tile *finish_tile; // NULL: the sums are what goes into C
  ck_finish finish;

  // The plan.
  size_t kc, k_blocks;                            // blocks of K have kc steps, the last one fewer
  size_t chunk;                                   // panels of B that are packed at a time; a multiple of nr columns
  size_t m_blocks, n_blocks, m_block, pack_tasks; // tasks are m_blocks x n_blocks; m_block rows at most
  bool own_panels;                                // each task packs its own panels of B, which no other task needs
  bool partials; // C is smaller than the sums, or still needed: between blocks of K these stay in the worker's scratch
  size_t c_element; // bytes
  size_t stretch;   // units of panels that are not dense, which are expanded at a time for one panel of A
  // Where things are in the worker's scratch, after the block of A.
  size_t panels_at, wide_at, sums_at, scales_at, partials_at;
} ck_matmul_job;

// plan.c
ck_needs ck_matmul_plan(ck_matmul_job *job, ck_caches caches, size_t workers);

// loops.c
void ck_matmul_program(ck_worker *worker, const void *job);
void ck_matmul_pack_program(ck_worker *worker, const void *job); // only packs B, into job->c

// narrow.c
ck_narrow_rows *ck_matmul_narrow(const ck_context *context, ck_type to); // NULL: to neither bf16 nor f16

// driver.c
bool ck_matmul_fits(size_t rows, size_t columns); // whether rows x columns elements of any type can be addressed
size_t ck_type_bytes(ck_type type);
ck_type ck_product_right(ck_product product);  // type of B in memory; CK_TYPES for 4-bit weights
bool ck_product_has_zeros(ck_product product); // 4-bit weights with zero points of their own
_Static_assert(sizeof(ck_matmul_job) <= CK_JOB_BYTES, "a job fits the blocks of a list");

// Sizes, from one formula for everyone.
static inline size_t ck_matmul_depth(const ck_matmul_job *job, size_t k_block) {
  return ck_min(job->kc, job->k - k_block * job->kc);
}
static inline size_t ck_matmul_units(const ck_matmul_kernel *kernel, size_t depth) {
  return ck_ceil_div(depth, kernel->unit);
}
// A panel of B.
static inline size_t ck_matmul_panel_bytes(const ck_matmul_kernel *kernel, size_t depth) {
  return ck_round_up(ck_matmul_units(kernel, depth) * kernel->unit_bytes + kernel->b_extra, 64);
}
// A row in a panel of A: its elements, and what belongs to it in the part that follows the panel.
static inline size_t ck_matmul_row_bytes(const ck_matmul_kernel *kernel, size_t depth) {
  return ck_round_up(depth, kernel->kgroup) * kernel->a_bytes;
}
static inline size_t ck_matmul_row_extent(const ck_matmul_kernel *kernel, size_t depth) {
  return ck_matmul_row_bytes(kernel, depth) + kernel->a_extra * ck_matmul_units(kernel, depth);
}
static inline size_t ck_matmul_block_bytes(const ck_matmul_kernel *kernel, size_t rows, size_t depth) {
  return ck_round_up(rows * ck_matmul_row_extent(kernel, depth), 64) + ck_ceil_div(rows, kernel->mr) * CK_MATMUL_SLACK;
}
// Sums that may wait for the epilogue: of one tile, or of many when there are few rows. These read B from memory, which
// idles while the epilogue runs and some time after: 1 x 11008 x 4096 of s8 x s4 took 50 us more of 800 when the
// epilogue ran after every 224 columns.
enum { CK_MATMUL_BUFFER = 8192 };
// Where part i of `parts` even parts of `total` starts.
static inline size_t ck_matmul_part(size_t total, size_t parts, size_t i) {
  return total / parts * i + ck_min(total % parts, i);
}
// The first row of block i of m_blocks.
static inline size_t ck_matmul_first_row(const ck_matmul_job *job, size_t i) {
  const size_t grain = ck_max(job->kernel->grain, 1);
  return ck_min(job->m, ck_matmul_part(ck_ceil_div(job->m, grain), job->m_blocks, i) * grain);
}
#endif
