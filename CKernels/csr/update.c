// New values for the elements of a packed sparse matrix, from a dense one.
#include "csr/places.h"
#include "vector/widths.h"
#include <string.h>

typedef struct {
  const ck_csr *csr;
  const float *w;
  size_t output_stride, column_stride; // of w
} update_job;

typedef struct {
  const update_job *job;
  char *steps;
} target;

// To nearest, ties to even; a NaN stays one.
static uint16_t bf16_of(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  if (value != value) return (uint16_t)(bits >> 16 | 0x40);
  return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static inline void take_f32(void *state, size_t step, size_t lane, size_t output, size_t column) {
  const target *to = state;
  const update_job *job = to->job;
  ((csr_step *)to->steps)[step].values[lane] = job->w[output * job->output_stride + column * job->column_stride];
}

static inline void take_bf16(void *state, size_t step, size_t lane, size_t output, size_t column) {
  const target *to = state;
  const update_job *job = to->job;
  const float value = job->w[output * job->output_stride + column * job->column_stride];
  ((csr_step_bf16 *)to->steps)[step].values[lane] = bf16_of(value);
}

static void update_slice(ck_worker *worker, const void *argument, size_t task) {
  const update_job *job = argument;
  const ck_csr *csr = job->csr;
  const size_t range = task / csr->blocks, block = task % csr->blocks;
  for (uint32_t copy = 0; copy < ck_placed_copies(csr->storage); copy++) {
    char *storage = (char *)(uintptr_t)ck_placed_at(csr->storage, copy); // the operation's own to write
    target to = {job, storage + csr->slices[task].at};
    if (csr->type == CK_BF16)
      csr_each_element(csr, range, block, take_bf16, &to);
    else
      csr_each_element(csr, range, block, take_f32, &to);
  }
}

static void program(ck_worker *worker, const void *argument) {
  const update_job *job = argument;
  ck_for_parts(worker, job->csr->ranges * job->csr->blocks, update_slice, job);
}

ck_status ck_csr_update(const ck_context *context, ck_csr *csr, const float *w, ck_orientation orientation) {
  if (!csr || (orientation != CK_AS_IS && orientation != CK_TRANSPOSED)) return CK_BAD_ARGUMENT;
  if (csr->count == 0) return CK_OK;
  if (!w) return CK_BAD_ARGUMENT;
  const bool transposed = orientation == CK_TRANSPOSED; // of the product's B: w is [n, k]
  const update_job job = {
      .csr = csr, .w = w, .output_stride = transposed ? csr->k : 1, .column_stride = transposed ? 1 : csr->n};
  return ck_submit(context, program, &job, sizeof job, (ck_needs){.work_ns = 1.5 * (double)csr->count});
}
