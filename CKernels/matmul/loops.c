// The loops around the micro-kernel, for every type: blocks of K and of rows, panels of B and of A. No instruction set
// is named here. K is never split between workers: an element of C has one chain of sums.
#include "matmul/loops.h"

enum { CHUNK_VECTORS = CK_MASK_CHUNK / CK_MASK_VECTOR };
enum { PACK_STEPS = 128 }; // of K at a time, a multiple of every unit

// A B of f32 is rounded a piece at a time, which stays in the first cache until it is packed: in long pieces of rows,
// since pieces of one panel each would be read at half the memory's pace.
enum { ROUND_STEPS = 32, ROUND_COLUMNS = 256 };

// count panels from `panel` on, which is an index in all of B, bytes apart; k: where their depth starts.
static void pack_rounded(const ck_matmul_job *job, char *to, size_t bytes, size_t panel, size_t count, size_t k,
                         size_t depth) {
  const ck_matmul_kernel *kernel = job->kernel;
  uint16_t halves[ROUND_STEPS * ROUND_COLUMNS];
  const bool k_contiguous = job->b.k_stride < job->b.stride;
  const ck_matmul_source rounded = {.data = (const char *)halves,
                                    .stride = 2 * (k_contiguous ? ROUND_STEPS : 1),
                                    .k_stride = 2 * (k_contiguous ? 1 : ROUND_COLUMNS)};
  const size_t most = ROUND_COLUMNS / kernel->nr;
  for (size_t p = 0; p < count; p += most) {
    const size_t column = (panel + p) * kernel->nr;
    const size_t columns = ck_min(ck_min(most, count - p) * kernel->nr, job->n - column);
    for (size_t step = 0; step < depth; step += ROUND_STEPS) {
      const size_t steps = ck_min(ROUND_STEPS, depth - step);
      const char *from = job->b.data + column * job->b.stride + (k + step) * job->b.k_stride;
      if (k_contiguous)
        job->narrow(columns, steps, from, job->b.stride, halves, ROUND_STEPS);
      else
        job->narrow(steps, columns, from, job->b.k_stride, halves, ROUND_COLUMNS);
      for (size_t c = 0; c < columns; c += kernel->nr)
        kernel->pack_b(to + (p + c / kernel->nr) * bytes + step / kernel->unit * kernel->unit_bytes, NULL, &rounded, c,
                       ck_min(kernel->nr, columns - c), 0, steps);
    }
  }
}

// panel: index in all of B; k: where its depth starts.
static void pack_panel(const chunk *chunk, char *to, size_t panel, size_t k, size_t depth) {
  const ck_matmul_job *job = chunk->job;
  const ck_matmul_kernel *kernel = job->kernel;
  if (chunk->masked) return ck_masked_whole(chunk, to, panel, k, depth);
  const size_t column = panel * kernel->nr;
  if (job->narrow) return pack_rounded(job, to, 0, panel, 1, k, depth);
  char *extra = kernel->b_extra ? to + ck_matmul_units(kernel, depth) * kernel->unit_bytes : NULL;
  kernel->pack_b(to, extra, &job->b, column, ck_min(kernel->nr, job->n - column), k, depth);
}

static void pack_task(ck_worker *worker, const void *argument, size_t task) {
  const chunk *chunk = argument;
  const ck_matmul_job *job = chunk->job;
  const size_t end = ck_matmul_part(chunk->panels, job->pack_tasks, task + 1);
  const size_t bytes = ck_matmul_panel_bytes(job->kernel, job->k);
  const size_t start = ck_matmul_part(chunk->panels, job->pack_tasks, task);
  if (job->narrow)
    return pack_rounded(job, chunk->packed + start * bytes, bytes, chunk->first + start, end - start, 0, job->k);
  for (size_t panel = start; panel < end; panel++)
    pack_panel(chunk, chunk->packed + panel * bytes, chunk->first + panel, 0, job->k);
}

// Not by a division for each: what a tile starts from must not be long in coming, or the multiply-adds run dry.
static size_t panel_end(const block *block, size_t p, size_t start) {
  return ck_min(start + block->height + (p < block->higher), block->rows);
}

static void measure_rows(const block *block) {
  const ck_matmul_job *job = block->job;
  for (size_t i = 0; i < block->rows; i++)
    block->scales[i] = job->kernel->row_scale((const float *)(job->a.data + (block->row + i) * job->a.stride), job->k);
}

// Panel p of A, whose first row is row `start` of the block. What packing writes past a panel lies between it and the
// next.
static char *panel_of_a(const block *block, size_t p, size_t start) {
  return block->scratch + start * ck_matmul_row_extent(block->job->kernel, block->depth) + p * CK_MATMUL_SLACK;
}

static void pack_block(const block *block) {
  const ck_matmul_job *job = block->job;
  const ck_matmul_kernel *kernel = job->kernel;
  const size_t elements = ck_matmul_row_bytes(kernel, block->depth);
  ck_matmul_source source = job->a;
  // Where rows are neighbours in memory, all panels take their part of a line while it is in the cache. Not with an
  // extra part: what is written past the elements would hit it after it is made.
  const size_t step = source.stride < source.k_stride && !kernel->a_extra ? PACK_STEPS : block->depth;
  for (size_t k = 0; k < block->depth; k += step)
    for (size_t p = 0, start = 0; p < block->count; p++) {
      const size_t end = panel_end(block, p, start), rows = end - start;
      char *panel = panel_of_a(block, p, start);
      if (job->quantizes) source.scales = block->scales + start;
      job->pack_a(panel + rows * k * kernel->a_bytes, kernel->a_extra ? panel + rows * elements : NULL, &source,
                  block->row + start, rows, block->k_block * job->kc + k, ck_min(step, block->depth - k));
      start = end;
    }
}

static size_t buffer_columns(const block *block) {
  const ck_matmul_kernel *kernel = block->job->kernel;
  return CK_MATMUL_BUFFER / block->rows / kernel->nr * kernel->nr;
}

// One panel of A fills a small part of the buffer: the epilogue is called when there is no room for more.
static void finish_held(block *block) {
  const ck_matmul_job *job = block->job;
  if (block->held == 0) return;
  const float *scales = block->scales;
  if (!scales && job->finish.epilogue.row_scales) scales = job->finish.epilogue.row_scales + block->row;
  job->finish_tile(&job->finish, (float *)(block->scratch + job->sums_at), buffer_columns(block), scales, block->row,
                   block->rows, block->holds - block->held, block->held);
  block->held = 0;
}

// Lines that the epilogue of the coming tile will read or write besides C: a row has few of them, far from each other.
static void fetch_for_epilogue(const ck_matmul_job *job, size_t row, size_t rows, size_t column, size_t columns) {
  const ck_epilogue *epilogue = &job->finish.epilogue;
  const size_t element = ck_type_bytes(epilogue->operand_type), bytes = columns * element;
  for (size_t i = row; i < row + rows; i++) {
    const size_t at = (i * job->n + column) * element;
    for (size_t line = 0; line < bytes; line += 64) {
      if (epilogue->operand) __builtin_prefetch((const char *)epilogue->operand + at + line);
      if (epilogue->residual) __builtin_prefetch((const char *)epilogue->residual + at + line);
      if (epilogue->saved) __builtin_prefetch((char *)epilogue->saved + at + line, 1);
    }
  }
}

// C[block's rows, panels from `panel` on]. While the panels of A pass, the panel of B that follows is fetched.
static void multiply(block *block, panels panels, size_t panel) {
  const ck_matmul_job *job = block->job;
  const ck_matmul_kernel *kernel = job->kernel;
  if (ck_matmul_expands(kernel, block->rows)) {
    char *wide = block->scratch + job->wide_at;
    kernel->expand(wide, panels.b, ck_matmul_units(kernel, block->depth));
    kernel = kernel->dense;
    panels.b = wide;
  }
  const size_t column = panel * kernel->nr;
  const size_t columns = ck_min(panels.count * kernel->nr, job->n - column);
  const bool first = block->k_block == 0, last = block->k_block + 1 == job->k_blocks;
  char *sums = block->sums + (job->partials ? column - block->panel * kernel->nr : column) * 4;
  char *result = job->c + (block->row * job->n + column) * job->c_element;
  const size_t result_stride = job->n * job->c_element;
  const bool finishes = last && job->finish_tile, follows = column + columns < job->n;
  float *buffer = (float *)(block->scratch + job->sums_at);
  const bool holds = finishes && block->count == 1;
  if (holds) {
    if (block->held + columns > buffer_columns(block)) finish_held(block);
    buffer += block->held;
    block->held += columns;
    block->holds = column + columns;
  }
  ck_matmul_tile tile = {
      .b = panels.b,
      .b_stride = panels.stride,
      .extra = first || (job->own_panels && !job->packed) ? panels.extra : NULL,
      .units = ck_matmul_units(kernel, block->depth),
      .from_stride = block->sums_stride,
      .to_stride = holds      ? buffer_columns(block)
                   : finishes ? panels.count * kernel->nr
                              : block->sums_stride,
      .next_stride = finishes ? result_stride : block->sums_stride * 4,
      .columns = (uint32_t)columns,
      .lines = job->packed ? job->packed->masked.lines : 0,
      .expand = panels.expand,
  };
  const size_t share = panels.ahead_bytes / block->count / 64 * 64;
  tile.ahead_step = share * CK_MATMUL_STEP / ck_max(tile.units, 1);
  char *next = finishes ? result : sums;
  for (size_t p = 0, start = 0; p < block->count; p++) {
    const size_t end = panel_end(block, p, start);
    char *here = sums + start * block->sums_stride * 4;
    tile.a = panel_of_a(block, p, start);
    tile.from = first && !job->accumulate ? NULL : here;
    tile.to = finishes ? (char *)buffer : here;
    tile.rows = (uint32_t)(end - start);
    tile.next = p + 1 < block->count ? next + end * tile.next_stride
                                     : next + (follows ? columns * (finishes ? job->c_element : 4) : 0);
    tile.ahead = panels.ahead + p * share;
    if (finishes && !holds) fetch_for_epilogue(job, block->row + start, end - start, column, columns);
    if (panels.expand)
      panels.expand->share = ck_ceil_div(ck_ceil_div(panels.expand->left, CHUNK_VECTORS), block->count - p);
    if (panels.masked)
      ck_masked_tile(block, tile, &panels, panel);
    else
      (panels.tile ? panels.tile : kernel->tile)(&tile);
    if (finishes && !holds) {
      const float *scales = block->scales ? block->scales + start : job->finish.epilogue.row_scales;
      if (scales && !block->scales) scales += block->row + start;
      job->finish_tile(&job->finish, buffer, tile.to_stride, scales, block->row + start, end - start, column, columns);
    }
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
  if (first == end) return;
  block block = {.job = job,
                 .scratch = ck_worker_scratch(worker),
                 .row = ck_matmul_first_row(job, m),
                 .panel = chunk->first + first};
  block.rows = ck_matmul_first_row(job, m + 1) - block.row;
  if (block.rows == 0) return;
  block.count = ck_ceil_div(block.rows, kernel->mr);
  const bool even = kernel->grain <= 1;
  block.height = even ? block.rows / block.count : kernel->mr;
  block.higher = even ? block.rows % block.count : 0;
  block.sums_stride = job->partials ? (end - first) * kernel->nr : job->n;
  block.sums = job->partials ? block.scratch + job->partials_at : job->c + block.row * job->n * 4;
  if (job->quantizes) {
    block.scales = (float *)(block.scratch + job->scales_at);
    measure_rows(&block);
  }
  const size_t whole = ck_matmul_panel_bytes(kernel, job->k);
  const ck_masked_way way = ck_masked_way_of(chunk, &block);
  ck_mask_ahead ahead;
  const bool together = block.count == 1 && way != CK_MASKED_REGISTERS;
  const size_t most = together ? ck_matmul_panels(kernel, block.rows) : 1;
  if (kernel->enter) kernel->enter();
  for (; block.k_block < job->k_blocks; block.k_block++) {
    block.depth = ck_matmul_depth(job, block.k_block);
    pack_block(&block);
    const size_t k = block.k_block * job->kc, units = ck_matmul_units(kernel, block.depth);
    for (size_t panel = first, count = most; panel < end; panel += count) {
      while (count > end - panel) count /= 2;
      panels panels = {.count = count};
      if (way > CK_MASKED_WHOLE) {
        panels = ck_masked_panels(way, chunk, &block, &ahead, panel, count, first, end);
      } else if (job->own_panels) {
        panels.stride = ck_matmul_panel_bytes(kernel, block.depth);
        char *own = block.scratch + job->panels_at;
        for (size_t p = 0; p < count; p++)
          pack_panel(chunk, own + p * panels.stride, chunk->first + panel + p, k, block.depth);
        panels.b = panels.ahead = own;
        panels.extra = own + units * kernel->unit_bytes;
      } else {
        panels.stride = whole;
        panels.b = chunk->packed + panel * whole + k / kernel->unit * kernel->unit_bytes;
        panels.extra = chunk->packed + panel * whole + ck_matmul_units(kernel, job->k) * kernel->unit_bytes;
        const bool more = panel + count < end;
        panels.ahead = more ? panels.b + count * whole : panels.b;
        panels.ahead_bytes = more ? units * kernel->unit_bytes : 0;
      }
      if (!kernel->b_extra) panels.extra = NULL;
      multiply(&block, panels, chunk->first + panel);
    }
  }
  if (kernel->leave) kernel->leave();
  finish_held(&block);
}

void ck_matmul_program(ck_worker *worker, const void *argument) {
  const ck_matmul_job *job = argument;
  const size_t panels = ck_ceil_div(job->n, job->kernel->nr);
  for (size_t first = 0; first < panels; first += job->chunk) {
    chunk chunk = {.job = job, .first = first, .panels = ck_min(job->chunk, panels - first)};
    if (job->dense) {
      // Panels packed ahead are only read, and each worker begins with those of its own node.
      chunk.packed = (char *)ck_placed_at(job->packed->panels, ck_worker_node(worker));
      ck_for_parts(worker, job->m_blocks * job->n_blocks, multiply_task, &chunk);
      continue;
    }
    chunk.packed = ck_shared_scratch(worker);
    if (job->packed) chunk.masked = ck_placed_at(job->packed->panels, ck_worker_node(worker));
    if (!job->own_panels) ck_for(worker, job->pack_tasks, pack_task, &chunk);
    ck_for(worker, job->m_blocks * job->n_blocks, multiply_task, &chunk);
  }
}

void ck_matmul_pack_program(ck_worker *worker, const void *argument) {
  const ck_matmul_job *job = argument;
  chunk chunk = {.job = job, .panels = ck_ceil_div(job->n, job->kernel->nr), .packed = job->c};
  ck_for_parts(worker, job->pack_tasks, pack_task, &chunk); // who packs a panel first touches it
}
