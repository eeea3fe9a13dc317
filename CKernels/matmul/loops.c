// The loops around the micro-kernel, for every type: blocks of K and of rows, panels of B and of A. No instruction set
// is named here. K is never split between workers: an element of C has one chain of sums.
#include "matmul/driver.h"

// A range of panels of B, and where they are or go when packed.
typedef struct chunk {
  const ck_matmul_job *job;
  size_t first, panels;
  char *packed; // k_blocks blocks of `panels` panels
} chunk;

static char *packed_panel(const chunk *chunk, size_t k_block, size_t panel) {
  const ck_matmul_job *job = chunk->job;
  const size_t whole = ck_matmul_panel_bytes(job->kernel, job->blocks.kc);
  const size_t bytes = ck_matmul_panel_bytes(job->kernel, ck_matmul_depth(job, k_block));
  return chunk->packed + k_block * chunk->panels * whole + panel * bytes;
}

// panel: index in all of B.
static void pack_panel(const ck_matmul_job *job, char *to, size_t k_block, size_t panel) {
  const ck_matmul_kernel *kernel = job->kernel;
  const size_t column = panel * kernel->nr, k = k_block * job->blocks.kc;
  kernel->pack_b(to, job->b.data + column * job->b.stride + k * job->b.k_stride, job->b.stride, job->b.k_stride,
                 ck_min(kernel->nr, job->n - column), ck_matmul_depth(job, k_block));
}

static void pack_task(ck_worker *worker, const void *argument, size_t task) {
  const chunk *chunk = argument;
  const ck_matmul_job *job = chunk->job;
  const size_t k_block = task / job->pack_tasks, part = task % job->pack_tasks;
  const size_t end = ck_matmul_part(chunk->panels, job->pack_tasks, part + 1);
  for (size_t panel = ck_matmul_part(chunk->panels, job->pack_tasks, part); panel < end; panel++)
    pack_panel(job, packed_panel(chunk, k_block, panel), k_block, chunk->first + panel);
}

// A block of A: `rows` rows from `row` on, one block of K, in `count` panels of nearly equal height.
typedef struct block {
  char *packed;
  size_t row, rows, k_block, count;
} block;

static void pack_block(const ck_matmul_job *job, const block *block) {
  const ck_matmul_kernel *kernel = job->kernel;
  const size_t k = block->k_block * job->blocks.kc, depth = ck_matmul_depth(job, block->k_block);
  const size_t row_bytes = ck_round_up(depth, kernel->kgroup) * kernel->a_bytes;
  for (size_t p = 0; p < block->count; p++) {
    const size_t start = ck_matmul_part(block->rows, block->count, p);
    const size_t rows = ck_matmul_part(block->rows, block->count, p + 1) - start;
    kernel->pack_a(block->packed + start * row_bytes,
                   job->a.data + (block->row + start) * job->a.stride + k * job->a.k_stride, job->a.stride,
                   job->a.k_stride, rows, depth);
  }
}

// C[block's rows, `count` panels from `panel` on] with packed panels of B at b. While the panels of A pass, the panel
// of B that follows is fetched.
static void multiply(const ck_matmul_job *job, const block *block, const char *b, size_t panel, size_t count) {
  const ck_matmul_kernel *kernel = job->kernel;
  const size_t depth = ck_matmul_depth(job, block->k_block), column = panel * kernel->nr;
  const size_t row_bytes = ck_round_up(depth, kernel->kgroup) * kernel->a_bytes;
  ck_matmul_tile tile = {
      .b = b,
      .b_stride = ck_matmul_panel_bytes(kernel, depth),
      .groups = ck_ceil_div(depth, kernel->kgroup),
      .c_stride = job->n,
      .columns = (uint32_t)ck_min(count * kernel->nr, job->n - column),
      .first = block->k_block == 0 && !job->accumulate,
      .last = block->k_block + 1 == job->blocks.k_blocks,
      .bias = job->bias ? job->bias + column : NULL,
      .column_scale = job->column_scale ? job->column_scale + column : NULL,
  };
  char *c = job->c + (block->row * job->n + column) * 4;
  const bool follows = column + count * kernel->nr < job->n;
  const size_t share = follows ? tile.b_stride / block->count : 0;
  tile.ahead_step = share * CK_MATMUL_STEP / ck_max(tile.groups, 1);
  for (size_t p = 0, start = 0; p < block->count; p++) {
    const size_t end = ck_matmul_part(block->rows, block->count, p + 1);
    tile.a = block->packed + start * row_bytes;
    tile.c = c + start * job->n * 4;
    tile.rows = (uint32_t)(end - start);
    tile.row_scale = job->row_scale ? job->row_scale + block->row + start : NULL;
    tile.next = p + 1 < block->count ? c + end * job->n * 4 : follows ? c + count * kernel->nr * 4 : c;
    tile.ahead = b + (follows ? count * tile.b_stride : 0) + p * share;
    kernel->tile(&tile);
    start = end;
  }
}

// One task: rows x panels of C, all of K.
static void multiply_task(ck_worker *worker, const void *argument, size_t task) {
  const chunk *chunk = argument;
  const ck_matmul_job *job = chunk->job;
  const ck_matmul_kernel *kernel = job->kernel;
  const size_t m = task % job->m_blocks, n = task / job->m_blocks;
  const size_t first = ck_matmul_part(chunk->panels, job->n_blocks, n);
  const size_t end = ck_matmul_part(chunk->panels, job->n_blocks, n + 1);
  block block = {.packed = ck_worker_scratch(worker), .row = ck_matmul_part(job->m, job->m_blocks, m)};
  block.rows = ck_matmul_part(job->m, job->m_blocks, m + 1) - block.row;
  block.count = ck_ceil_div(block.rows, kernel->mr);
  char *own = block.packed + ck_matmul_block_bytes(kernel, job->m_block, job->blocks.kc);
  const size_t most = block.count == 1 ? ck_matmul_panels(kernel->mr, block.rows) : 1;
  for (; first < end && block.k_block < job->blocks.k_blocks; block.k_block++) {
    pack_block(job, &block);
    const size_t bytes = ck_matmul_panel_bytes(kernel, ck_matmul_depth(job, block.k_block));
    for (size_t panel = first, count = most; panel < end; panel += count) {
      while (count > end - panel) count /= 2;
      const char *b = own;
      if (job->own_panels)
        for (size_t p = 0; p < count; p++) pack_panel(job, own + p * bytes, block.k_block, chunk->first + panel + p);
      else
        b = packed_panel(chunk, block.k_block, panel);
      multiply(job, &block, b, chunk->first + panel, count);
    }
  }
}

void ck_matmul_program(ck_worker *worker, const void *argument) {
  const ck_matmul_job *job = argument;
  const size_t panels = ck_ceil_div(job->n, job->kernel->nr);
  for (size_t first = 0; first < panels; first += job->chunk) {
    chunk chunk = {.job = job, .first = first, .panels = ck_min(job->chunk, panels - first)};
    // A panel packed ahead is only read.
    chunk.packed = job->packed ? (char *)job->packed : ck_shared_scratch(worker);
    if (!job->packed && !job->own_panels) ck_for(worker, job->blocks.k_blocks * job->pack_tasks, pack_task, &chunk);
    ck_for(worker, job->m_blocks * job->n_blocks, multiply_task, &chunk);
  }
}

void ck_matmul_pack_program(ck_worker *worker, const void *argument) {
  const ck_matmul_job *job = argument;
  chunk chunk = {.job = job, .panels = ck_ceil_div(job->n, job->kernel->nr), .packed = job->c};
  ck_for(worker, job->blocks.k_blocks * job->pack_tasks, pack_task, &chunk);
}
