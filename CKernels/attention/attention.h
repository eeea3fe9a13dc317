// What the driver and the bodies share: the job and the sizes of tiles.
#ifndef CK_ATTENTION_INTERNAL_H
#define CK_ATTENTION_INTERNAL_H
#include "ck_attention.h"
#include "runtime/worker.h"
#include <math.h>
#include <string.h>

enum {
  CK_KEY_TILE = 64,   // keys of a tile. Tiles stand at multiples of it, whatever the queries: part of the numerics
  CK_QUERY_TILE = 48, // rows whose scores are alive at a time
  CK_PAD = 16,        // scratch rows are padded to the widest vector, so that sizes do not depend on the variant
};

typedef struct ck_attention_job {
  ck_attention_shape shape;
  const float *query, *key, *value;
  float *output, *log_sum_exp;
  size_t chunk, chunks; // queries of a task, tasks of a head
  float scale;
  ck_body *body;
} ck_attention_job;

typedef struct ck_attention_backward_job {
  size_t batch, length, heads, width;
  const float *d_output, *qkv, *output, *log_sum_exp;
  float *d_qkv;
  float scale;
  ck_body *body;
} ck_attention_backward_job;

// Hands out pieces of a worker's scratch, each on a cache line.
static inline float *ck_take(float **scratch, size_t floats) {
  float *piece = *scratch;
  *scratch += ck_round_up(floats, 16);
  return piece;
}
#endif
