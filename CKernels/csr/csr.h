// The packed form of a sparse matrix W [n, k]: sliced and sorted rows (SELL-C-sigma; Kreutzer, Hager, Wellein, Fehske
// and Bishop, SIAM J. Sci. Comput. 36, 2014), cut into blocks of k so that the rows of A that they meet stay in the
// first-level cache.
//
// Rows of W, the outputs, are cut into ranges, k into blocks of `depth`; a range in a block is a slice. In a slice
// outputs are sorted by their number of elements and taken in groups of four: a group is as many steps as its first
// output has elements, and the many groups of equal length that follow each other make loops that branch prediction
// knows. A step has one element of each of the four, its place in a block of A as a byte offset. Missing elements are
// -0 times a row of zeros, which changes no sum.
#ifndef CK_CSR_CSR_H
#define CK_CSR_CSR_H
#include "ck_csr.h"
#include "runtime/placed.h"

enum {
  CSR_TOKENS = 32,                 // rows of A side by side in a panel
  CSR_ROW = CSR_TOKENS * 4,        // bytes of a row of a panel
  CSR_OUTPUTS = 4,                 // in a group
  CSR_RANGE = 512,                 // outputs in a range, at most
  CSR_MAX_DEPTH = 65535 / CSR_ROW, // offsets have 16 bits; row `depth` is zeros
};

typedef struct csr_step {
  float values[CSR_OUTPUTS];
  uint16_t offsets[CSR_OUTPUTS]; // bytes
} csr_step;
typedef struct csr_step_bf16 {
  uint16_t values[CSR_OUTPUTS], offsets[CSR_OUTPUTS];
} csr_step_bf16;

// In the storage from byte `at` on: the steps, then of each group its outputs as indices in the range, then the groups'
// lengths. Where a range has no more outputs an index names one past its last.
typedef struct csr_slice {
  size_t at, first; // first: the steps of all slices before it
  uint32_t steps, groups;
} csr_slice;

struct ck_csr {
  size_t n, k, count, bytes;
  ck_type type;
  size_t depth, blocks; // of k
  size_t ranges;        // of outputs
  size_t steps;         // of all slices
  size_t most_steps;    // of a slice
  csr_slice *slices;    // [ranges, blocks]
  ck_placed *storage;
};

static inline size_t csr_first_output(const ck_csr *csr, size_t range) {
  return csr->n / csr->ranges * range + ck_min(csr->n % csr->ranges, range);
}
// In the sums of a panel: one more than a range has, and whole squares of vectors.
static inline size_t csr_sum_rows(const ck_csr *csr) { return ck_round_up(ck_ceil_div(csr->n, csr->ranges) + 1, 16); }
static inline size_t csr_step_bytes(ck_type type) { return type == CK_BF16 ? sizeof(csr_step_bf16) : sizeof(csr_step); }
static inline size_t csr_panel_floats(const ck_csr *csr) { return (csr->depth + 1) * CSR_TOKENS; }
static inline size_t csr_group_bytes(void) { return (CSR_OUTPUTS + 1) * sizeof(uint16_t); }

// Rows of A.
typedef struct csr_left {
  const char *data;
  size_t stride; // elements
  ck_type type;
} csr_left;

// What the kernels take.
typedef struct csr_groups {
  const csr_step *steps;
  const uint16_t *outputs, *lengths;
  size_t count;
  const char *ahead; // what to fetch into the second-level cache on the way, `ahead_step` bytes for each group
  size_t ahead_step; // whole lines
} csr_groups;
#endif
