// Plan and loops of products with weights in blocks. All of K goes through a tile at once: what is kept of a panel of B
// is much less than a panel of A, and sums that stay in registers cost no passes over C. A task packs its rows of A,
// which stay in L2 while the panels of B stream past.
#include "matmul/blocks.h"
#include "matmul/driver.h"
#include "matmul/packed.h"

enum { COLUMNS_TOGETHER = 64 }; // whose sums of one panel of A are finished together: whole lines of C

// Panels of A of nearly equal height.
static size_t panels_of(const ck_matmul_job *job, size_t rows) { return ck_ceil_div(rows, job->kernel->mr); }
static size_t tallest_panel(const ck_matmul_job *job, size_t rows) {
  return job->kernel->grain ? ck_min(job->kernel->mr, rows) : ck_ceil_div(rows, panels_of(job, rows));
}

ck_needs ck_blocks_plan(ck_matmul_job *job, ck_caches caches, size_t workers) {
  const ck_matmul_kernel *kernel = job->kernel;
  const size_t panels = ck_ceil_div(job->n, CK_BLOCK_COLUMNS), mr = kernel->mr;
  const double kept = (double)job->packed->blocks.kept * CK_BLOCK_COLUMNS * kernel->kgroup;
  ck_needs needs = {.work_ns = (double)job->m * kept / (double)kernel->rate +
                               (double)job->m * (double)job->k * kernel->a_bytes / 10 +
                               (double)job->packed->bytes / 20};
  if (needs.work_ns < 2e3) workers = 1;
  const size_t fit = ck_max(caches.l2 * 5 / 8 / ck_blocks_a_bytes(kernel, mr, job->k), 1) * mr;
  const size_t grains = ck_ceil_div(job->m, ck_max(kernel->grain, 1));
  job->m_blocks = ck_ceil_div(job->m, fit);
  job->n_blocks = 1;
  if (workers > 1) {
    // Few rows: each worker its own part of B. Else each its own rows, and B in halves if there are few tasks.
    if (job->m <= mr * workers)
      job->n_blocks = ck_min(panels, workers);
    else
      job->m_blocks = ck_min(ck_round_up(job->m_blocks, workers), grains);
    if (job->m_blocks * job->n_blocks < 2 * workers && job->m > mr) job->n_blocks = ck_min(panels, 2 * job->n_blocks);
  }
  job->m_block = ck_min(job->m, ck_ceil_div(grains, job->m_blocks) * ck_max(kernel->grain, 1));
  const size_t a_bytes = ck_blocks_a_bytes(kernel, tallest_panel(job, job->m_block), job->k);
  job->sums_at = panels_of(job, job->m_block) * a_bytes;
  job->scales_at = job->sums_at + (size_t)CK_MATMUL_BUFFER * 4 + CK_MATMUL_SLACK;
  needs.worker_bytes = job->scales_at + (job->quantizes ? ck_round_up(job->m_block * 4, 64) : 0);
  return needs;
}

// What one task works on.
typedef struct block {
  const ck_matmul_job *job;
  const char *b;                                    // the worker's copy of the panels of B
  char *a;                                          // panels of A, a_bytes apart
  size_t a_bytes, row, rows, count, height, higher; // the first `higher` panels have one row more
  float *buffer, *scales;
} block;

static void pack_rows(const block *block) {
  const ck_matmul_job *job = block->job;
  const ck_matmul_kernel *kernel = job->kernel;
  ck_matmul_source source = job->a;
  if (block->scales)
    for (size_t i = 0; i < block->rows; i++)
      block->scales[i] = kernel->row_scale((const float *)(job->a.data + (block->row + i) * job->a.stride), job->k);
  for (size_t p = 0, start = 0; p < block->count; p++) {
    const size_t rows = ck_min(block->height + (p < block->higher), block->rows - start);
    const size_t group = ck_blocks_group_bytes(kernel, rows);
    char *panel = block->a + p * block->a_bytes;
    source.scales = block->scales ? block->scales + start : NULL;
    if (job->k) job->pack_a(panel, NULL, &source, block->row + start, rows, 0, job->k);
    __builtin_memset(panel + ck_blocks_groups(kernel, job->k) * group, 0, group);
    start += rows;
  }
}

// Panel `panel` of B by `rows` rows of A from row `start` of the block on.
static void multiply(const block *block, size_t panel, size_t p, size_t start, size_t rows, float *to, size_t stride) {
  const ck_matmul_job *job = block->job;
  const ck_matmul_kernel *kernel = job->kernel;
  const ck_blocks_panel *kept = job->packed->blocks.panels + panel;
  const size_t column = panel * CK_BLOCK_COLUMNS;
  const char *index = block->b + kept->start, *vectors = index + ck_blocks_vectors_at(kept->kept);
  char *c = job->c + ((block->row + start) * job->n + column) * job->c_element;
  const ck_matmul_tile tile = {
      .a = block->a + p * block->a_bytes,
      .b = vectors,
      .index = (const uint16_t *)index,
      .extra = vectors + kept->kept * CK_BLOCK_BYTES,
      .units = kept->kept,
      .from = job->accumulate ? c : NULL,
      .from_stride = job->n,
      .to = to,
      .to_stride = stride,
      .next = c,
      .next_stride = job->n * job->c_element,
      .rows = (uint32_t)rows,
      .columns = (uint32_t)ck_min(CK_BLOCK_COLUMNS, job->n - column),
  };
  kernel->tile(&tile);
}

// Sums that are C as they are. Through the buffer too: a tile has one line of each row, and memory takes several at
// once better.
static void copy_out(const block *block, size_t row, size_t rows, size_t column, size_t columns, size_t stride) {
  const ck_matmul_job *job = block->job;
  for (size_t i = 0; i < rows; i++)
    __builtin_memcpy(job->c + ((row + i) * job->n + column) * 4, block->buffer + i * stride, columns * 4);
}

static void multiply_task(ck_worker *worker, const void *argument, size_t task) {
  const ck_matmul_job *job = argument;
  const ck_matmul_kernel *kernel = job->kernel;
  const size_t m = task % job->m_blocks, n = task / job->m_blocks, panels = ck_ceil_div(job->n, CK_BLOCK_COLUMNS);
  const size_t first = ck_matmul_part(panels, job->n_blocks, n), end = ck_matmul_part(panels, job->n_blocks, n + 1);
  char *scratch = ck_worker_scratch(worker);
  block block = {.job = job,
                 .b = ck_placed_at(job->packed->panels, ck_worker_node(worker)),
                 .a = scratch,
                 .row = ck_matmul_first_row(job, m),
                 .buffer = (float *)(scratch + job->sums_at)};
  block.rows = ck_matmul_first_row(job, m + 1) - block.row;
  if (first == end || block.rows == 0) return;
  block.count = panels_of(job, block.rows);
  block.height = kernel->grain ? kernel->mr : block.rows / block.count;
  block.higher = kernel->grain ? 0 : block.rows % block.count;
  block.a_bytes = ck_blocks_a_bytes(kernel, tallest_panel(job, block.rows), job->k);
  if (job->quantizes) block.scales = (float *)(scratch + job->scales_at);
  pack_rows(&block);
  // Of few rows more columns fit.
  const size_t most = CK_MATMUL_BUFFER / tallest_panel(job, block.rows) / CK_BLOCK_COLUMNS * CK_BLOCK_COLUMNS;
  const size_t stride = block.count == 1 ? most : COLUMNS_TOGETHER;
  if (kernel->enter) kernel->enter();
  for (size_t panel = first; panel < end; panel += stride / CK_BLOCK_COLUMNS) {
    const size_t last = ck_min(panel + stride / CK_BLOCK_COLUMNS, end), column = panel * CK_BLOCK_COLUMNS;
    for (size_t p = 0, start = 0; p < block.count; p++) {
      const size_t rows = ck_min(block.height + (p < block.higher), block.rows - start), row = block.row + start;
      for (size_t q = panel; q < last; q++)
        multiply(&block, q, p, start, rows, block.buffer + (q - panel) * CK_BLOCK_COLUMNS, stride);
      const float *scales = job->finish.epilogue.row_scales;
      scales = block.scales ? block.scales + start : scales ? scales + row : NULL;
      const size_t columns = ck_min(last * CK_BLOCK_COLUMNS, job->n) - column;
      if (job->finish_tile)
        job->finish_tile(&job->finish, block.buffer, stride, scales, row, rows, column, columns);
      else
        copy_out(&block, row, rows, column, columns, stride);
      start += rows;
    }
  }
  if (kernel->leave) kernel->leave();
}

void ck_blocks_program(ck_worker *worker, const void *argument) {
  const ck_matmul_job *job = argument;
  ck_for_parts(worker, job->m_blocks * job->n_blocks, multiply_task, job);
}
