// What the loops over blocks and panels share with those over panels that are not dense. Internal to matmul.
#ifndef CK_MATMUL_LOOPS_H
#define CK_MATMUL_LOOPS_H
#include "matmul/packed.h"

// A range of panels of B, and where they are or go when packed, one after the other with all of K each.
typedef struct chunk {
  const ck_matmul_job *job;
  size_t first, panels;
  char *packed;
  const char *masked; // instead, the worker's copy of panels that are not dense
} chunk;

// What one task works on: rows of A, one block of K after the other, in `count` panels of nearly equal height.
typedef struct block {
  const ck_matmul_job *job;
  char *scratch;
  size_t row, rows, count;
  size_t height, higher; // the first `higher` panels have one row more than the others; the last one what is left
  size_t k_block, depth;
  float *scales;      // of the rows, when A is quantized on the way
  char *sums;         // partial sums of element (row, 0) of C, or C itself
  size_t sums_stride; // elements
  size_t panel;       // index in all of B of the first panel that the task multiplies
  size_t held, holds; // columns whose sums wait in the buffer for the epilogue, which ends at column `holds`
} block;

// B's panels as the tiles find them.
typedef struct panels {
  const char *b, *extra, *ahead; // ahead: what will be needed after these, or b
  size_t stride, count, ahead_bytes;
  void (*tile)(const ck_matmul_tile *tile); // which multiplies them, or NULL: the kernel's
  ck_mask_ahead *expand;                    // the panel that follows, expanded meanwhile; or NULL
  const char *masked; // not there yet: to be expanded to b, a stretch at a time, from the worker's copy of all panels
} panels;

// loops_masked.c: how a task meets panels that are not dense.
typedef enum {
  CK_MASKED_NONE = 0,
  CK_MASKED_WHOLE,
  CK_MASKED_STRETCHES,
  CK_MASKED_REGISTERS,
  CK_MASKED_AHEAD
} ck_masked_way;
ck_masked_way ck_masked_way_of(const chunk *chunk, const block *block);
// Panel `panel` of the chunk, and `count - 1` more, as the tiles find them; k: where the block of K starts. ahead: for
// CK_MASKED_AHEAD, where the panel after it is being expanded. first, end: panels of the task.
panels ck_masked_panels(ck_masked_way way, const chunk *chunk, const block *block, ck_mask_ahead *ahead, size_t panel,
                        size_t count, size_t first, size_t end);
// One whole panel -> to, as packing leaves it; depth: steps of K from k on.
void ck_masked_whole(const chunk *chunk, char *to, size_t panel, size_t k, size_t depth);
// One panel of A against panels that are expanded on the way, a stretch at a time.
void ck_masked_tile(const block *block, ck_matmul_tile tile, const panels *panels, size_t panel);
#endif
