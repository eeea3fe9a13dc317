// Gradients with respect to sparse weights: a product of two dense matrices, of which only the elements of a pattern
// are computed. Panels of X and of dY have tokens side by side; a task takes a slice of the pattern through all of
// them.
#include "csr/places.h"
#include "matmul/driver.h"
#include "vector/widths.h"
#include <string.h>

enum {
  CSR_AHEAD = 2,          // groups whose rows of dY are fetched before they are needed
  MOST_TOKENS = 512,      // that are packed at a time
  MOST_PACKED = 64 << 20, // bytes of them
};

// A slice as the kernels take it.
typedef struct csr_pattern {
  const char *offsets; // of the first step
  size_t step_bytes;
  const uint16_t *outputs, *lengths;
  size_t groups;
} csr_pattern;
// Panels of 32 tokens, so many floats from one to the next.
typedef struct csr_panels {
  const float *start;
  size_t stride;
} csr_panels;
typedef struct csr_gradient_kernels {
  void (*pack)(const csr_left *a, size_t rows, size_t depth, size_t zeros, float *panel);
  void (*dots)(const csr_pattern *pattern, csr_panels x, csr_panels dy, size_t tokens, float *sums);
} csr_gradient_kernels;

#define CK_BODY "csr/gradient.inc.h"
#include "runtime/each_width.inc.h"

static const ck_variant variants[] = {CK_EACH_WIDTH(CK_WIDTH_VARIANT)};
enum { VARIANTS = sizeof variants / sizeof *variants };
static const csr_gradient_kernels *const kernels[] = {
#define X(width) &csr_gradient_of_##width,
    CK_EACH_WIDTH(X)
#undef X
};

typedef struct {
  const ck_csr *csr;
  const csr_gradient_kernels *kernels;
  csr_left dy, x;
  size_t m, chunk; // tokens; panels that are packed at a time
  float *dw;
  ck_store store;
  size_t x_at, dy_at; // floats in the shared scratch, after the sums of all steps
} gradient_job;
_Static_assert(sizeof(gradient_job) <= CK_JOB_BYTES, "a job fits the blocks of a list");

// Tokens that are packed together.
typedef struct {
  const gradient_job *job;
  size_t row, rows, panels;
  float *sums, *x, *dy; // x [blocks, panels], dy [ranges, panels]
} part;

static size_t dy_panel_floats(const ck_csr *csr) { return csr_sum_rows(csr) * CSR_TOKENS; }
static size_t tokens_of(const part *part, size_t panel) { return ck_min(CSR_TOKENS, part->rows - panel * CSR_TOKENS); }

// Columns first ..< first + count of a panel's tokens.
static void pack_panel(const part *part, csr_left from, size_t panel, size_t first, size_t count, size_t zeros,
                       float *to) {
  const size_t row = part->row + panel * CSR_TOKENS;
  from.data += (row * from.stride + first) * ck_type_bytes(from.type);
  part->job->kernels->pack(&from, tokens_of(part, panel), count, zeros, to);
}

static void pack_task(ck_worker *worker, const void *argument, size_t task) {
  const part *part = argument;
  const ck_csr *csr = part->job->csr;
  const size_t panel = task % part->panels, which = task / part->panels;
  if (which < csr->blocks) {
    const size_t k = which * csr->depth;
    pack_panel(part, part->job->x, panel, k, ck_min(csr->depth, csr->k - k), csr->depth,
               part->x + task * csr_panel_floats(csr));
  } else {
    const size_t range = which - csr->blocks, first = csr_first_output(csr, range);
    const size_t outputs = csr_first_output(csr, range + 1) - first;
    pack_panel(part, part->job->dy, panel, first, outputs, outputs,
               part->dy + (range * part->panels + panel) * dy_panel_floats(csr));
  }
}

static void dots_task(ck_worker *worker, const void *argument, size_t task) {
  const part *part = argument;
  const ck_csr *csr = part->job->csr;
  const size_t range = task / csr->blocks, block = task % csr->blocks;
  const csr_slice *slice = &csr->slices[task];
  const char *steps = (const char *)ck_placed_at(csr->storage, ck_worker_node(worker)) + slice->at;
  const size_t bytes = csr_step_bytes(csr->type);
  const uint16_t *outputs = (const uint16_t *)(steps + slice->steps * bytes);
  const csr_pattern pattern = {
      .offsets = steps + bytes - CSR_OUTPUTS * sizeof(uint16_t),
      .step_bytes = bytes,
      .outputs = outputs,
      .lengths = outputs + slice->groups * CSR_OUTPUTS,
      .groups = slice->groups,
  };
  const size_t x = csr_panel_floats(csr), dy = dy_panel_floats(csr);
  float *sums = part->sums + slice->first * CSR_OUTPUTS;
  if (part->row == 0) memset(sums, 0, slice->steps * CSR_OUTPUTS * sizeof *sums);
  part->job->kernels->dots(&pattern, (csr_panels){part->x + block * part->panels * x, x},
                           (csr_panels){part->dy + range * part->panels * dy, dy}, part->rows, sums);
}

typedef struct {
  const gradient_job *job;
  const float *sums;
} spread;

static inline void put(void *state, size_t step, size_t lane, size_t output, size_t column) {
  const spread *from = state;
  from->job->dw[output * from->job->csr->k + column] = from->sums[step * CSR_OUTPUTS + lane];
}

static inline void add(void *state, size_t step, size_t lane, size_t output, size_t column) {
  const spread *from = state;
  from->job->dw[output * from->job->csr->k + column] += from->sums[step * CSR_OUTPUTS + lane];
}

static void spread_task(ck_worker *worker, const void *argument, size_t range) {
  const gradient_job *job = argument;
  const ck_csr *csr = job->csr;
  const size_t first = csr_first_output(csr, range), outputs = csr_first_output(csr, range + 1) - first;
  if (job->store == CK_REPLACE) memset(job->dw + first * csr->k, 0, outputs * csr->k * sizeof *job->dw);
  for (size_t block = 0; block < csr->blocks; block++) {
    const csr_slice *slice = &csr->slices[range * csr->blocks + block];
    spread from = {job, (const float *)ck_shared_scratch(worker) + slice->first * CSR_OUTPUTS};
    if (job->m == 0) continue; // nothing was summed
    if (job->store == CK_REPLACE)
      csr_each_element(csr, range, block, put, &from);
    else
      csr_each_element(csr, range, block, add, &from);
  }
}

static void program(ck_worker *worker, const void *argument) {
  const gradient_job *job = argument;
  const ck_csr *csr = job->csr;
  float *scratch = ck_shared_scratch(worker);
  for (size_t row = 0; row < job->m; row += job->chunk * CSR_TOKENS) {
    part part = {.job = job, .row = row, .sums = scratch, .x = scratch + job->x_at, .dy = scratch + job->dy_at};
    part.rows = ck_min(job->m - row, job->chunk * CSR_TOKENS);
    part.panels = ck_ceil_div(part.rows, CSR_TOKENS);
    ck_for(worker, (csr->blocks + csr->ranges) * part.panels, pack_task, &part);
    ck_for_parts(worker, csr->ranges * csr->blocks, dots_task, &part);
  }
  ck_for_parts(worker, csr->ranges, spread_task, job);
}

static ck_needs plan(gradient_job *job) {
  const ck_csr *csr = job->csr;
  const size_t x = csr->blocks * csr_panel_floats(csr), dy = csr->ranges * dy_panel_floats(csr);
  // An even number of panels, so that no sum depends on how many there are.
  job->chunk = ck_min(MOST_TOKENS / CSR_TOKENS, MOST_PACKED / sizeof(float) / (x + dy)) / 2 * 2;
  job->chunk = ck_min(ck_max(job->chunk, 2), ck_max(ck_ceil_div(job->m, CSR_TOKENS), 1));
  job->x_at = ck_round_up(csr->steps * CSR_OUTPUTS, 16);
  job->dy_at = job->x_at + job->chunk * x;
  const double vectors = (double)ck_ceil_div(job->m, 16), rows = (double)(csr->n + csr->k);
  return (ck_needs){
      .shared_bytes = (job->dy_at + job->chunk * dy) * sizeof(float),
      .work_ns = 0.5 * (double)csr->count * vectors + 0.2 * (double)job->m * rows +
                 (double)csr->n * (double)csr->k * 0.1 + (double)csr->count,
  };
}

static bool is_floating(ck_left a) { return a.orientation == CK_AS_IS && (a.type == CK_F32 || a.type == CK_BF16); }

ck_status ck_csr_gradient(const ck_context *context, size_t m, ck_left dy, ck_left x, const ck_csr *csr, float *dw,
                          ck_store store) {
  if (!csr || !is_floating(dy) || !is_floating(x)) return CK_BAD_ARGUMENT;
  if (store != CK_REPLACE && store != CK_ACCUMULATE) return CK_BAD_ARGUMENT;
  if (!ck_matmul_fits(m, csr->n) || !ck_matmul_fits(m, csr->k)) return CK_BAD_SHAPE;
  if (csr->n == 0 || csr->k == 0) return CK_OK;
  if (!dw || (m && (!dy.data || !x.data))) return CK_BAD_ARGUMENT;
  gradient_job job = {
      .csr = csr,
      .kernels = kernels[ck_first_allowed(variants, VARIANTS, context)],
      .dy = {dy.data, csr->n, dy.type},
      .x = {x.data, csr->k, x.type},
      .m = m,
      .dw = dw,
      .store = store,
  };
  const ck_needs needs = plan(&job);
  return ck_submit(context, program, &job, sizeof job, needs);
}
