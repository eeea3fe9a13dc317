// What the driver and the bodies share: the job and the sizes of tiles.
#ifndef CK_ATTENTION_INTERNAL_H
#define CK_ATTENTION_INTERNAL_H
#include "ck_attention.h"
#include "runtime/worker.h"
#include <math.h>
#include <string.h>

enum {
  CK_KEY_BLOCK = 64,      // keys side by side where keys are columns
  CK_PANEL = 256,         // forward: keys of a step of the online softmax. Part of the numerics
  CK_CHUNK = 528,         // forward: most queries of a task, a multiple of 48 just above 512
  CK_KEY_TILE = 128,      // backward: keys whose gradients are summed at a time. Part of the numerics
  CK_QUERY_TILE = 192,    // backward: queries whose probabilities are alive at a time. Part of the numerics
  CK_TILE_ROW = 128 + 16, // distance of their rows: not a power of two, which would meet in few sets of the cache
  CK_BLOCK_ROWS = 6,      // rows of a product in registers
  CK_TILE_ROWS = 32,      // rows of a product in tile registers
  CK_AHEAD = 16,          // rows from one that is read to the one that is fetched
  CK_PAD = 16,            // scratch rows are padded to the widest vector, so that sizes do not depend on the variant
};

typedef struct ck_attention_job {
  ck_attention_shape shape;
  ck_attention_mask mask;
  const void *query, *key, *value;
  void *output; // const in the backward pass
  float *log_sum_exp;
  const void *d_output;
  void *d_query, *d_key, *d_value;
  size_t chunk, chunks; // forward: queries of a task, tasks of a head
  // Forward: elements from one head of keys or values to the next. Keys in columns (f32) are those of a cache, which
  // holds what products want: blocks of width x CK_KEY_BLOCK, with any numbers behind the last key.
  size_t key_head, value_head;
  bool key_columns;
  float scale, scale2; // of scores: 1 / sqrt(width), and for powers of two: log2(e) / sqrt(width)
  ck_body *body;
} ck_attention_job;

// One row per variant, parallel to the variants.
typedef struct ck_attention_kernels {
  ck_body *forward, *backward;
} ck_attention_kernels;
typedef struct ck_attention_table {
  const ck_variant *variants;
  const ck_attention_kernels *kernels;
  size_t count;
} ck_attention_table;
extern const ck_attention_table ck_attention_f32_table, ck_attention_bf16_table;

// Checks, and makes a forward job without operands; *needs what it takes. *empty: nothing to do.
ck_status ck_attention_plan(const ck_context *context, ck_type type, ck_attention_mask mask, ck_attention_shape shape,
                            ck_attention_job *job, ck_needs *needs, bool *empty);

// Hands out pieces of a worker's scratch, each on a cache line.
static inline float *ck_take(float **scratch, size_t floats) {
  float *piece = *scratch;
  *scratch += ck_round_up(floats, 16);
  return piece;
}

// What will be read or written soon, fetched a few rows at a time between products: rows of a head lie too far apart
// for the hardware to foresee.
typedef struct ck_feed {
  struct {
    const char *at;
    size_t row, bytes, rows; // distance of rows, bytes of one
  } part[8];
  size_t parts, now, rows; // rows: of all parts
} ck_feed;

static inline void ck_feed_add(ck_feed *feed, const void *at, size_t row, size_t width, size_t element, size_t rows) {
  feed->part[feed->parts].at = at;
  feed->part[feed->parts].row = row * element;
  feed->part[feed->parts].bytes = width * element;
  feed->part[feed->parts].rows = rows;
  feed->parts++;
  feed->rows += rows;
}

// Into the second cache: there is work enough to hide the way from there, and the first one is in use.
static inline void ck_feed_some(ck_feed *feed, size_t rows) {
  while (rows && feed->now < feed->parts) {
    const size_t here = ck_min(rows, feed->part[feed->now].rows), row = feed->part[feed->now].row;
    const char *at = feed->part[feed->now].at, *end = at + here * row;
    for (size_t byte = 0; byte < feed->part[feed->now].bytes; byte += 64)
      for (const char *p = at + byte; p < end; p += row) __builtin_prefetch(p, 0, 2);
    feed->part[feed->now].at = end;
    feed->part[feed->now].rows -= here;
    feed->now += feed->part[feed->now].rows == 0;
    rows -= here;
  }
}

// Keys of the `here` from j0 on that the query at position p sees.
static inline size_t ck_seen(ck_attention_mask mask, size_t here, size_t position, size_t j0) {
  if (mask == CK_ATTENTION_FULL) return here;
  return position < j0 ? 0 : ck_min(here, position - j0 + 1);
}
#endif
