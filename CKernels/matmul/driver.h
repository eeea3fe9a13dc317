// Internal to matmul: the job that driver.c validates and plans, and the loops run.
#ifndef CK_MATMUL_DRIVER_H
#define CK_MATMUL_DRIVER_H
#include "matmul/types.h"

// An operand in memory: element (x, k) is at data + x * stride + k * k_stride, x a row of A or a column of B.
typedef struct ck_matmul_operand {
  const char *data;
  size_t stride, k_stride; // bytes
} ck_matmul_operand;

// Blocks of K have kc steps, the last one fewer. B is packed as k_blocks blocks of panels, nr columns each.
typedef struct ck_matmul_blocks {
  size_t kc, k_blocks;
} ck_matmul_blocks;

typedef struct ck_matmul_job {
  const ck_matmul_kernel *kernel;
  ck_matmul_operand a, b;
  const char *packed; // B packed ahead, or NULL
  char *c;
  size_t m, n, k;
  bool accumulate;
  const float *bias, *row_scale, *column_scale;
  ck_matmul_blocks blocks;
  size_t chunk;                                   // panels of B that are packed at a time; a multiple of nr columns
  size_t m_blocks, n_blocks, m_block, pack_tasks; // tasks are m_blocks x n_blocks; m_block rows at most
  bool own_panels;                                // each task packs its own panels of B, which no other task needs
} ck_matmul_job;

// plan.c
ck_matmul_blocks ck_matmul_split_k(const ck_matmul_kernel *kernel, ck_caches caches, size_t k);
ck_needs ck_matmul_plan(ck_matmul_job *job, ck_caches caches, size_t workers);

// loops.c
void ck_matmul_program(ck_worker *worker, const void *job);
void ck_matmul_pack_program(ck_worker *worker, const void *job); // only packs B, into job->c

// Sizes, from one formula for everyone.
static inline size_t ck_matmul_depth(const ck_matmul_job *job, size_t k_block) {
  return ck_min(job->blocks.kc, job->k - k_block * job->blocks.kc);
}
static inline size_t ck_matmul_panel_bytes(const ck_matmul_kernel *kernel, size_t depth) {
  return ck_round_up(ck_round_up(depth, kernel->kgroup) * kernel->nr * kernel->b_bytes + kernel->b_extra, 64);
}
static inline size_t ck_matmul_block_bytes(const ck_matmul_kernel *kernel, size_t rows, size_t depth) {
  return ck_round_up(rows * ck_round_up(depth, kernel->kgroup) * kernel->a_bytes + CK_MATMUL_SLACK, 64);
}
// Where part i of `parts` even parts of `total` starts.
static inline size_t ck_matmul_part(size_t total, size_t parts, size_t i) {
  return total / parts * i + ck_min(total % parts, i);
}
#endif
