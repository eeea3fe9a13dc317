// A sparse matrix packed ahead: measured, then filled, range by range.
#include "csr/csr.h"
#include "vector/widths.h"
#include <stdlib.h>

typedef struct {
  ck_csr *csr;
  ck_csr_arrays arrays;
  char *to; // NULL: slices are measured only
} pack_job;

// Of one range, in a worker's scratch.
typedef struct {
  size_t first, outputs;             // of W's rows
  size_t next[CSR_RANGE];            // element that each output continues with
  uint16_t count[CSR_RANGE];         // elements of each output in the slice
  uint16_t order[CSR_RANGE];         // outputs, the longest first
  uint32_t place[CSR_MAX_DEPTH + 1]; // where outputs of a count start in the order
} range;

// Counts what the outputs have in columns below `end`, and sorts; equal ones stay in order.
static void sort_outputs(const pack_job *job, range *r, size_t end) {
  const size_t depth = job->csr->depth;
  for (size_t c = 0; c <= depth; c++) r->place[c] = 0;
  for (size_t i = 0; i < r->outputs; i++) {
    const size_t last = (size_t)job->arrays.row_offsets[r->first + i + 1];
    size_t e = r->next[i];
    while (e < last && (size_t)job->arrays.columns[e] < end) e++;
    r->count[i] = (uint16_t)(e - r->next[i]);
    r->place[r->count[i]]++;
  }
  uint32_t before = 0;
  for (size_t c = depth + 1; c-- > 0;) {
    const uint32_t here = r->place[c];
    r->place[c] = before;
    before += here;
  }
  for (size_t i = 0; i < r->outputs; i++) r->order[r->place[r->count[i]]++] = (uint16_t)i;
}

static void set_element(const ck_csr *csr, char *steps, size_t step, size_t lane, const void *values, size_t e,
                        size_t row) {
  const uint16_t offset = (uint16_t)(row * CSR_ROW);
  if (csr->type == CK_BF16) {
    csr_step_bf16 *to = (csr_step_bf16 *)steps + step;
    to->values[lane] = values ? ((const uint16_t *)values)[e] : 0x8000;
    to->offsets[lane] = offset;
  } else {
    csr_step *to = (csr_step *)steps + step;
    to->values[lane] = values ? ((const float *)values)[e] : -0.0f;
    to->offsets[lane] = offset;
  }
}

static void fill_slice(const pack_job *job, const range *r, const csr_slice *slice, size_t start) {
  const ck_csr *csr = job->csr;
  char *steps = job->to + slice->at;
  uint16_t *outputs = (uint16_t *)(steps + slice->steps * csr_step_bytes(csr->type));
  uint16_t *lengths = outputs + slice->groups * CSR_OUTPUTS;
  for (size_t g = 0, step = 0; g < slice->groups; g++) {
    lengths[g] = r->count[r->order[g * CSR_OUTPUTS]];
    for (size_t lane = 0; lane < CSR_OUTPUTS; lane++) {
      const size_t at = g * CSR_OUTPUTS + lane;
      const bool exists = at < r->outputs;
      const size_t output = exists ? r->order[at] : r->outputs;
      const size_t count = exists ? r->count[output] : 0;
      outputs[at] = (uint16_t)output;
      for (size_t j = 0; j < lengths[g]; j++)
        if (j < count) {
          const size_t e = r->next[output] + j;
          set_element(csr, steps, step + j, lane, job->arrays.values, e, (size_t)job->arrays.columns[e] - start);
        } else {
          set_element(csr, steps, step + j, lane, NULL, 0, csr->depth);
        }
    }
    step += lengths[g];
  }
}

static csr_slice measure(const range *r) {
  csr_slice slice = {0};
  for (size_t at = 0; at < r->outputs && r->count[r->order[at]]; at += CSR_OUTPUTS) {
    slice.groups++;
    slice.steps += r->count[r->order[at]];
  }
  return slice;
}

static void pack_range(ck_worker *worker, const void *argument, size_t task) {
  const pack_job *job = argument;
  const ck_csr *csr = job->csr;
  range *r = ck_worker_scratch(worker);
  r->first = csr_first_output(csr, task);
  r->outputs = csr_first_output(csr, task + 1) - r->first;
  for (size_t i = 0; i < r->outputs; i++) r->next[i] = (size_t)job->arrays.row_offsets[r->first + i];
  for (size_t block = 0; block < csr->blocks; block++) {
    csr_slice *slice = &csr->slices[task * csr->blocks + block];
    const size_t start = block * csr->depth;
    sort_outputs(job, r, start + csr->depth);
    if (job->to)
      fill_slice(job, r, slice, start);
    else
      *slice = measure(r);
    for (size_t i = 0; i < r->outputs; i++) r->next[i] += r->count[i];
  }
}

static void pack_program(ck_worker *worker, const void *argument) {
  const pack_job *job = argument;
  ck_for_parts(worker, job->csr->ranges, pack_range, job);
}

static void place_slices(ck_csr *csr) {
  size_t at = 0;
  for (size_t i = 0; i < csr->ranges * csr->blocks; i++) {
    csr_slice *slice = &csr->slices[i];
    slice->at = at;
    slice->first = csr->steps;
    csr->steps += slice->steps;
    at += ck_round_up(slice->steps * csr_step_bytes(csr->type) + slice->groups * csr_group_bytes(), 64);
    csr->most_steps = ck_max(csr->most_steps, slice->steps);
  }
  csr->bytes = ck_max(at, 64);
}

static ck_status pack(const ck_context *context, ck_csr *csr, ck_csr_arrays arrays, ck_placement placement) {
  pack_job job = {.csr = csr, .arrays = arrays};
  const ck_needs needs = {.worker_bytes = sizeof(range), .work_ns = (double)arrays.count + 8 * (double)csr->n};
  ck_status status = ck_submit(context, pack_program, &job, sizeof job, needs);
  if (status != CK_OK) return status;
  place_slices(csr);
  const size_t part = ck_round_up(ck_ceil_div(csr->bytes, csr->ranges), 64);
  status = ck_placed_create(context, csr->bytes, part, placement, 0, &csr->storage);
  if (status != CK_OK) return status;
  job.to = ck_placed_start(csr->storage);
  status = ck_submit(context, pack_program, &job, sizeof job, needs);
  return status == CK_OK ? ck_placed_replicate(context, csr->storage) : status;
}

ck_status ck_csr_create(const ck_context *context, size_t n, size_t k, ck_csr_arrays arrays, ck_placement placement,
                        ck_csr **out) {
  *out = NULL;
  if (ck_context_notes(context) || placement == CK_PLACE_NODE) return CK_BAD_ARGUMENT;
  if (arrays.type != CK_F32 && arrays.type != CK_BF16) return CK_BAD_ARGUMENT;
  if (ck_product_overflows(n, k) || n > PTRDIFF_MAX / 4096 || k > INT32_MAX) return CK_BAD_SHAPE;
  if (!arrays.row_offsets || (arrays.count && (!arrays.columns || !arrays.values))) return CK_BAD_ARGUMENT;
  size_t row;
  if (ck_csr_check(n, k, arrays, &row) != CK_CSR_SOUND) return CK_BAD_ARGUMENT;
  ck_csr *csr = calloc(1, sizeof *csr);
  if (!csr) return CK_NO_MEMORY;
  *csr = (ck_csr){.n = n, .k = k, .count = arrays.count, .type = arrays.type};
  // Two thirds of the first-level cache for the panel, the rest for sums and steps.
  const size_t most = ck_min(ck_max(ck_context_caches(context).l1d * 2 / 3 / CSR_ROW, 32), CSR_MAX_DEPTH);
  csr->blocks = ck_max(ck_ceil_div(k, most), 1);
  csr->depth = ck_max(ck_ceil_div(k, csr->blocks), 1);
  const size_t fair = ck_ceil_div(n, 4 * (size_t)ck_context_workers(context)); // outputs, that every worker has ranges
  const size_t outputs = ck_min(ck_max(fair, 128), CSR_RANGE);
  csr->ranges = ck_max(ck_ceil_div(n, outputs), 1);
  csr->slices = calloc(csr->ranges * csr->blocks, sizeof *csr->slices);
  const ck_status status = csr->slices ? pack(context, csr, arrays, placement) : CK_NO_MEMORY;
  if (status != CK_OK) return ck_csr_destroy(csr), status;
  *out = csr;
  return CK_OK;
}

void ck_csr_destroy(ck_csr *csr) {
  if (!csr) return;
  ck_placed_destroy(csr->storage);
  free(csr->slices);
  free(csr);
}

size_t ck_csr_bytes(const ck_csr *csr) { return csr->bytes; }
