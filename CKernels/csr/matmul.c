// Driver of sparse products: checks, splits, packs A, and hands slices to the kernels. No instruction set is named
// here.
#include "csr/csr.h"
#include "matmul/driver.h"
#include "vector/widths.h"
#include <string.h>

typedef struct csr_kernels {
  void (*pack)(const csr_left *a, size_t rows, size_t depth, size_t zeros, float *panel);
  void (*multiply)(const csr_groups *groups, const float *panel, float *sums, size_t tokens);
  void (*turn)(const float *sums, size_t tokens, size_t outputs, float *rows, size_t stride);
} csr_kernels;
enum {
  CSR_AHEAD = 2,          // groups whose sums are fetched before they are needed
  CSR_STEPS_AHEAD = 2048, // bytes of steps that are
};

#define CK_BODY "csr/body.inc.h"
#include "runtime/each_width.inc.h"

static const ck_variant variants[] = {CK_EACH_WIDTH(CK_WIDTH_VARIANT)};
enum { VARIANTS = sizeof variants / sizeof *variants };
const ck_variant *ck_csr_variants(size_t *count) { return *count = VARIANTS, variants; }
static const csr_kernels *const kernels[] = {
#define X(width) &csr_of_##width,
    CK_EACH_WIDTH(X)
#undef X
};

enum {
  MOST_TOKENS = 512,        // of A that are packed at a time: W is read once for them
  MOST_PACKED = 64 << 20,   // bytes of them
  FINISH_OUTPUTS = 128,     // that are turned into rows at a time
  FINISH_STRIDE = 128 + 16, // of the rows: a power of two would put all of them into a few sets of the cache
};

typedef struct {
  const ck_csr *csr;
  const csr_kernels *kernels;
  csr_left a;
  size_t m;
  ck_finish_tile *finish_tile;
  ck_finish finish;
  size_t chunk, most_panels;  // panels of A that are packed at a time, that a task multiplies
  size_t widened_at, rows_at; // in the worker's scratch, after the sums
} csr_job;
_Static_assert(sizeof(csr_job) <= CK_JOB_BYTES, "a job fits the blocks of a list");

// Panels of A that are packed together.
typedef struct {
  const csr_job *job;
  size_t row, rows, panels, tasks; // tasks: for each range
  float *packed;                   // [blocks, panels], each of depth + 1 rows
} part;

static size_t tokens_of(const part *part, size_t panel) { return ck_min(CSR_TOKENS, part->rows - panel * CSR_TOKENS); }

static void pack_task(ck_worker *worker, const void *argument, size_t task) {
  const part *part = argument;
  const csr_job *job = part->job;
  const ck_csr *csr = job->csr;
  const size_t panel = task / csr->blocks, block = task % csr->blocks, k = block * csr->depth;
  csr_left a = job->a;
  a.data += ((part->row + panel * CSR_TOKENS) * a.stride + k) * ck_type_bytes(a.type);
  job->kernels->pack(&a, tokens_of(part, panel), ck_min(csr->depth, csr->k - k), csr->depth,
                     part->packed + (block * part->panels + panel) * csr_panel_floats(csr));
}

// The steps of a slice as the kernels take them. Values of bf16 are widened once for all panels of the task.
static csr_groups slice_groups(const ck_csr *csr, const csr_slice *slice, const char *storage, csr_step *widened) {
  const char *steps = storage + slice->at;
  const uint16_t *outputs = (const uint16_t *)(steps + slice->steps * csr_step_bytes(csr->type));
  csr_groups groups = {.steps = (const csr_step *)steps,
                       .outputs = outputs,
                       .lengths = outputs + slice->groups * CSR_OUTPUTS,
                       .count = slice->groups};
  if (csr->type != CK_BF16) return groups;
  const csr_step_bf16 *narrow = (const csr_step_bf16 *)steps;
  for (size_t s = 0; s < slice->steps; s++) {
    uint32_t bits[CSR_OUTPUTS];
    for (int i = 0; i < CSR_OUTPUTS; i++) bits[i] = (uint32_t)narrow[s].values[i] << 16;
    memcpy(widened[s].values, bits, sizeof bits);
    memcpy(widened[s].offsets, narrow[s].offsets, sizeof narrow[s].offsets);
  }
  groups.steps = widened;
  return groups;
}

// Sums of a panel's tokens and a range's outputs on their way into C.
static void finish(const csr_job *job, const float *sums, float *rows, size_t row, size_t tokens, size_t column,
                   size_t outputs) {
  const float *scales = job->finish.epilogue.row_scales;
  for (size_t j = 0; j < outputs; j += FINISH_OUTPUTS) {
    const size_t count = ck_min(FINISH_OUTPUTS, outputs - j);
    job->kernels->turn(sums + j * CSR_TOKENS, tokens, count, rows, FINISH_STRIDE);
    job->finish_tile(&job->finish, rows, FINISH_STRIDE, scales ? scales + row : NULL, row, tokens, column + j, count);
  }
}

// Some panels times a range of outputs, all of k: a slice of W and the panels' sums stay in the second-level cache.
static void multiply_task(ck_worker *worker, const void *argument, size_t task) {
  const part *part = argument;
  const csr_job *job = part->job;
  const ck_csr *csr = job->csr;
  const size_t range = task / part->tasks, t = task % part->tasks;
  const size_t first = part->panels * t / part->tasks, end = part->panels * (t + 1) / part->tasks;
  const size_t column = csr_first_output(csr, range), outputs = csr_first_output(csr, range + 1) - column;
  char *scratch = ck_worker_scratch(worker);
  float *sums = (float *)scratch;
  const size_t stride = csr_sum_rows(csr) * CSR_TOKENS;
  memset(sums, 0, (end - first) * stride * sizeof *sums);
  for (size_t block = 0; block < csr->blocks; block++) {
    const csr_slice *slice = &csr->slices[range * csr->blocks + block];
    const char *storage = ck_placed_at(csr->storage, ck_worker_node(worker));
    csr_groups groups = slice_groups(csr, slice, storage, (csr_step *)(scratch + job->widened_at));
    groups.ahead_step = ck_round_up(csr_panel_floats(csr) * sizeof(float) / ck_max(groups.count, 1), 64);
    for (size_t p = first; p < end; p++) {
      const float *panel = part->packed + (block * part->panels + p) * csr_panel_floats(csr);
      // The panel that comes next; past the last one that is no harm.
      groups.ahead = (const char *)(panel + (p + 1 < end ? 1 : part->panels - p + first) * csr_panel_floats(csr));
      job->kernels->multiply(&groups, panel, sums + (p - first) * stride, tokens_of(part, p));
    }
  }
  for (size_t p = first; p < end; p++)
    finish(job, sums + (p - first) * stride, (float *)(scratch + job->rows_at), part->row + p * CSR_TOKENS,
           tokens_of(part, p), column, outputs);
}

static void program(ck_worker *worker, const void *argument) {
  const csr_job *job = argument;
  const ck_csr *csr = job->csr;
  for (size_t row = 0; row < job->m; row += job->chunk * CSR_TOKENS) {
    part part = {.job = job, .row = row, .packed = ck_shared_scratch(worker)};
    part.rows = ck_min(job->m - row, job->chunk * CSR_TOKENS);
    part.panels = ck_ceil_div(part.rows, CSR_TOKENS);
    // Tasks enough for every worker, and small enough for the cache.
    const size_t wanted = ck_ceil_div(4 * (size_t)ck_worker_count(worker), csr->ranges);
    part.tasks = ck_max(ck_ceil_div(part.panels, job->most_panels), ck_min(wanted, part.panels));
    if (csr->k) ck_for(worker, csr->blocks * part.panels, pack_task, &part);
    ck_for_parts(worker, csr->ranges * part.tasks, multiply_task, &part);
  }
}

// Scratch and sizes of the parts.
static ck_needs plan(csr_job *job, const ck_context *context) {
  const ck_csr *csr = job->csr;
  const size_t panel = csr->blocks * csr_panel_floats(csr) * sizeof(float);
  const size_t sums = csr_sum_rows(csr) * CSR_ROW, cache = ck_context_caches(context).l2 / 8 * 5;
  job->chunk = ck_max(ck_min(MOST_TOKENS / CSR_TOKENS, MOST_PACKED / panel), 1);
  job->chunk = ck_min(job->chunk, ck_ceil_div(job->m, CSR_TOKENS));
  job->most_panels = ck_min(ck_max(cache / sums, 1), job->chunk);
  job->widened_at = job->most_panels * sums;
  job->rows_at = job->widened_at + (csr->type == CK_BF16 ? ck_round_up(csr->most_steps * sizeof(csr_step), 64) : 0);
  const double vectors = (double)ck_ceil_div(job->m, 16);
  return (ck_needs){
      .worker_bytes = job->rows_at + (CSR_TOKENS * FINISH_STRIDE + 16) * sizeof(float),
      .shared_bytes = job->chunk * panel,
      .work_ns = 0.5 * (double)csr->count * vectors + (double)job->m * (0.2 * (double)csr->k + 0.3 * (double)csr->n),
  };
}

ck_status ck_csr_matmul(const ck_context *context, size_t m, ck_left a, const ck_csr *csr, ck_result c) {
  if (!csr || a.orientation != CK_AS_IS || (a.type != CK_F32 && a.type != CK_BF16)) return CK_BAD_ARGUMENT;
  if (c.store != CK_REPLACE) return CK_BAD_ARGUMENT;
  if (!ck_matmul_fits(m, csr->n) || !ck_matmul_fits(m, csr->k)) return CK_BAD_SHAPE;
  csr_job job = {
      .csr = csr,
      .kernels = kernels[ck_first_allowed(variants, VARIANTS, context)],
      .a = {a.data, csr->k, a.type},
      .m = m,
      .finish_tile = ck_finish_best(context),
  };
  const ck_status status = ck_finish_prepare(&job.finish, c.epilogue, c.data, c.type, CK_F32, csr->n);
  if (status != CK_OK) return status;
  if (m == 0 || csr->n == 0) return CK_OK;
  if (!c.data || (csr->k && !a.data)) return CK_BAD_ARGUMENT;
  const ck_needs needs = plan(&job, context);
  return ck_submit(context, program, &job, sizeof job, needs);
}
