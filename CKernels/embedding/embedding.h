// What the driver and the bodies share.
#ifndef CK_EMBEDDING_INTERNAL_H
#define CK_EMBEDDING_INTERNAL_H
#include "ck_embedding.h"
#include "runtime/worker.h"

enum {
  CK_EMBEDDING_ROWS = 32,    // rows of a task
  CK_EMBEDDING_COLUMNS = 64, // a task of the scatter has a multiple of these: whole cache lines
};

typedef struct ck_embedding_job {
  const int32_t *ids;
  size_t rows, columns, vocabulary, length, offset;
  const int64_t *offset_at; // NULL: the offset is known
  size_t position_count;
  const float *table, *positions;
  float *y;
  ck_body *body;
} ck_embedding_job;

typedef struct ck_embedding_backward_job {
  const int32_t *ids;
  size_t rows, columns, vocabulary, length;
  size_t slice; // columns of a task
  ck_store store;
  const float *dy;
  float *d_table, *d_positions;
  ck_body *table_body, *position_body;
} ck_embedding_backward_job;
#endif
