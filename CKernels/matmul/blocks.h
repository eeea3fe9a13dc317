// Packed B in the form CK_FORM_BLOCKS. A block is a vector of B: CK_BLOCK_COLUMNS columns of one K-group. A panel has
// CK_BLOCK_COLUMNS columns, and all of K:
//
//   uint16_t index[]   of the K-groups that are kept, ascending; then CK_BLOCKS_AHEAD or more that say `groups`
//   vectors            of 64 bytes: column by column the K-group's elements, kept ones only
//   b_extra bytes      what the kernel adds to the sums, such as those of its columns
//
// Kernels that take tiles (`chunk` of them at a time) store a chunk column by column, and pad the last one with zeros.
// A panel of A has a K-group more than K, which is zeros: what padding is multiplied with.
#ifndef CK_MATMUL_BLOCKS_H
#define CK_MATMUL_BLOCKS_H
#include "matmul/driver.h"

enum { CK_BLOCK_COLUMNS = 16, CK_BLOCK_BYTES = 64, CK_BLOCKS_AHEAD = 32, CK_BLOCKS_MOST_GROUPS = UINT16_MAX };

typedef struct ck_blocks_panel {
  size_t start; // bytes
  size_t kept;  // vectors, padding included
} ck_blocks_panel;
typedef struct ck_blocks {
  ck_blocks_panel *panels; // one more than there are, which says where the last one ends
  size_t kept;             // of all panels
} ck_blocks;

static inline size_t ck_blocks_vectors_at(size_t kept) {
  return ck_round_up((kept + CK_BLOCKS_AHEAD) * sizeof(uint16_t), CK_BLOCK_BYTES);
}

// Rows that a panel of A of `rows` rows has room for, so that no group of up to 16 K-groups of four bytes lies in two
// lines of memory.
static inline size_t ck_blocks_pitch(size_t rows) {
  if (rows > 8) return ck_round_up(rows, 16);
  return rows > 4 ? 8 : rows > 2 ? 4 : rows;
}
// K-groups, and a panel of A with the zeros that follow it.
static inline size_t ck_blocks_groups(const ck_matmul_kernel *kernel, size_t k) {
  return ck_ceil_div(k, kernel->kgroup);
}
static inline size_t ck_blocks_pitch_of(const ck_matmul_kernel *kernel, size_t rows) {
  return kernel->chunk ? ck_round_up(rows, 16) : ck_blocks_pitch(rows);
}
static inline size_t ck_blocks_group_bytes(const ck_matmul_kernel *kernel, size_t rows) {
  return ck_blocks_pitch_of(kernel, rows) * kernel->kgroup * kernel->a_bytes;
}
static inline size_t ck_blocks_a_bytes(const ck_matmul_kernel *kernel, size_t rows, size_t k) {
  const size_t groups = ck_blocks_groups(kernel, k) + 1;
  return ck_round_up(groups * ck_blocks_group_bytes(kernel, rows) + CK_MATMUL_SLACK, 64);
}

// blocks_variants.c. NULL when none fits; needs is set to the instruction sets of the one returned.
const ck_matmul_kernel *ck_blocks_best(ck_product product, ck_isa allowed, ck_isa *needs);

// blocks_loops.c
ck_needs ck_blocks_plan(ck_matmul_job *job, ck_caches caches, size_t workers);
void ck_blocks_program(ck_worker *worker, const void *job);

// blocks_pack.c. Fills `packed`, whose kernel, product and extents are set, from the weights.
ck_status ck_blocks_pack(const ck_context *context, ck_packed *packed, ck_weights weights, ck_placement placement);
void ck_blocks_destroy(ck_blocks *blocks);
#endif
