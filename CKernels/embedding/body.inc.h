// Gather and scatter-add at one vector width. A list reads the ids when it runs, after the driver's checks: what is out
// of range is skipped here rather than trusted.
#include "vector/math.inc.h"

// target += source
CK_VECTOR void CK_NAME(add_row)(size_t columns, const float *source, float *target) {
  size_t c = 0;
  for (; c + CK_LANES <= columns; c += CK_LANES) vstore(target + c, vload(target + c) + vload(source + c));
  if (c < columns) {
    size_t rest = columns - c;
    vstore_part(target + c, rest, vload_part(target + c, rest, 0) + vload_part(source + c, rest, 0));
  }
}

static void CK_NAME(ck_embedding_forward)(ck_worker *worker, const void *opaque, size_t task) {
  const ck_embedding_job *job = opaque;
  const size_t columns = job->columns, end = ck_min(job->rows, (task + 1) * CK_EMBEDDING_ROWS);
  const size_t offset = job->offset_at ? (size_t)*job->offset_at : job->offset;
  for (size_t i = task * CK_EMBEDDING_ROWS; i < end; i++) {
    if ((uint32_t)job->ids[i] >= job->vocabulary) continue;
    const size_t position = i % job->length;
    if (job->positions && (offset >= job->position_count || position >= job->position_count - offset)) continue;
    const float *row = job->table + (size_t)job->ids[i] * columns;
    float *y = job->y + i * columns;
    memcpy(y, row, columns * sizeof(float));
    if (job->positions) CK_NAME(add_row)(columns, job->positions + (offset + position) * columns, y);
  }
}

// A slice of columns: all rows, in order.
static void CK_NAME(ck_embedding_table)(ck_worker *worker, const void *opaque, size_t task) {
  const ck_embedding_backward_job *job = opaque;
  const size_t c = task * job->slice, columns = ck_min(job->slice, job->columns - c);
  if (job->store == CK_REPLACE)
    for (size_t i = 0; i < job->rows; i++)
      if ((uint32_t)job->ids[i] < job->vocabulary)
        memset(job->d_table + (size_t)job->ids[i] * job->columns + c, 0, columns * sizeof(float));
  for (size_t i = 0; i < job->rows; i++) {
    if (i + 1 < job->rows && (uint32_t)job->ids[i + 1] < job->vocabulary) {
      // The next row is anywhere in the table: its first lines are fetched, the rest follows by itself.
      const float *next = job->d_table + (size_t)job->ids[i + 1] * job->columns + c;
      for (size_t k = 0; k < ck_min(columns, 128); k += 16) __builtin_prefetch(next + k, 1);
    }
    if ((uint32_t)job->ids[i] >= job->vocabulary) continue;
    CK_NAME(add_row)(columns, job->dy + i * job->columns + c, job->d_table + (size_t)job->ids[i] * job->columns + c);
  }
}

// One position: all sequences, in order.
static void CK_NAME(ck_embedding_positions)(ck_worker *worker, const void *opaque, size_t task) {
  const ck_embedding_backward_job *job = opaque;
  float *sum = job->d_positions + task * job->columns;
  size_t i = task;
  if (job->store == CK_REPLACE) {
    memcpy(sum, job->dy + i * job->columns, job->columns * sizeof *sum);
    i += job->length;
  }
  for (; i < job->rows; i += job->length) CK_NAME(add_row)(job->columns, job->dy + i * job->columns, sum);
}
