// Panels of B that are bits and elements, on their way to the tiles. Few rows: from registers, where the kernel has
// such tiles, else a stretch at a time through the first cache. More: the next panel is expanded while this one is
// multiplied.
#include "matmul/loops.h"
#include <string.h>

// Units of a panel that is not dense, from `first` on. all: the worker's copy of the panels.
static void expand_units(const ck_matmul_job *job, const char *all, char *to, size_t panel, size_t first,
                         size_t units) {
  const ck_masked *masked = &job->packed->masked;
  ck_masked_expand(masked, job->kernel, all + masked->panels[panel], panel, to, first, units);
}
static const char *extra_of(const ck_matmul_job *job, const char *all, size_t panel) {
  const ck_masked *masked = &job->packed->masked;
  return ck_masked_extra(masked, all + masked->panels[panel], panel);
}

ck_masked_way ck_masked_way_of(const chunk *chunk, const block *block) {
  const ck_matmul_job *job = chunk->job;
  const ck_matmul_kernel *kernel = job->kernel;
  if (!chunk->masked || !job->own_panels) return CK_MASKED_NONE;
  const bool tiles = job->packed->masked.tile;
  // Of two panels of A each expands B anew, which is still faster than going through a panel.
  if (tiles && block->count <= 2) return CK_MASKED_REGISTERS;
  if (tiles && kernel->expanding) return CK_MASKED_AHEAD;
  return block->count == 1 && !ck_matmul_expands(kernel, block->rows) ? CK_MASKED_STRETCHES : CK_MASKED_WHOLE;
}

void ck_masked_whole(const chunk *chunk, char *to, size_t panel, size_t k, size_t depth) {
  const ck_matmul_job *job = chunk->job;
  const ck_matmul_kernel *kernel = job->kernel;
  const size_t units = ck_matmul_units(kernel, depth);
  expand_units(job, chunk->masked, to, panel, k / kernel->unit, units);
  if (kernel->b_extra) memcpy(to + units * kernel->unit_bytes, extra_of(job, chunk->masked, panel), kernel->b_extra);
}

// One panel of A against panels that are expanded on the way.
void ck_masked_tile(const block *block, ck_matmul_tile tile, const panels *panels, size_t panel) {
  const ck_matmul_job *job = block->job;
  const ck_matmul_kernel *kernel = job->kernel;
  const size_t units = tile.units, first = block->k_block * job->kc / kernel->unit;
  const size_t a_bytes = tile.rows * kernel->unit * kernel->a_bytes;
  for (size_t at = 0; at < units || at == 0; at += job->stretch) {
    tile.units = ck_min(job->stretch, units - at);
    for (size_t p = 0; p < panels->count; p++)
      expand_units(job, panels->masked, (char *)(uintptr_t)panels->b + p * panels->stride, panel + p, first + at,
                   tile.units);
    kernel->tile(&tile);
    tile.a = (const char *)tile.a + a_bytes * tile.units;
    tile.from = tile.to;
    tile.from_stride = tile.to_stride;
    tile.extra = NULL;
  }
}

// To expand a panel, index in the chunk, from a unit on.
static ck_mask_ahead expand_ahead(const chunk *chunk, size_t panel, char *to, size_t first, size_t units) {
  const ck_matmul_kernel *kernel = chunk->job->kernel;
  const ck_masked *masked = &chunk->job->packed->masked;
  const size_t index = chunk->first + panel;
  return (ck_mask_ahead){.from = ck_masked_at(masked, kernel, chunk->masked + masked->panels[index], index, first),
                         .to = to,
                         .lines = masked->lines,
                         .left = units * kernel->unit_bytes / CK_MASK_VECTOR};
}

static panels in_registers(const chunk *chunk, size_t index, size_t unit) {
  const ck_masked *masked = &chunk->job->packed->masked;
  const char *start = chunk->masked + masked->panels[index];
  const char *at = ck_masked_at(masked, chunk->job->kernel, start, index, unit);
  return (panels){
      .b = at, .ahead = at, .count = 1, .extra = ck_masked_extra(masked, start, index), .tile = masked->tile};
}

static panels in_stretches(const chunk *chunk, char *own, size_t index, size_t count) {
  const ck_matmul_job *job = chunk->job;
  const ck_matmul_kernel *kernel = job->kernel;
  const size_t stride = job->stretch * kernel->unit_bytes;
  char *extra = own + count * stride;
  // As far apart as the panels.
  for (size_t p = 0; p < count && kernel->b_extra; p++)
    memcpy(extra + p * stride, extra_of(job, chunk->masked, index + p), kernel->b_extra);
  return (panels){.b = own, .ahead = own, .extra = extra, .stride = stride, .count = count, .masked = chunk->masked};
}

panels ck_masked_panels(ck_masked_way way, const chunk *chunk, const block *block, ck_mask_ahead *ahead, size_t panel,
                        size_t count, size_t first, size_t end) {
  const ck_matmul_job *job = chunk->job;
  const ck_matmul_kernel *kernel = job->kernel;
  char *own = block->scratch + job->panels_at;
  const size_t unit = block->k_block * job->kc / kernel->unit, index = chunk->first + panel;
  if (way == CK_MASKED_REGISTERS) return in_registers(chunk, index, unit);
  if (way == CK_MASKED_STRETCHES) return in_stretches(chunk, own, index, count);
  const size_t units = ck_matmul_units(kernel, block->depth);
  const size_t turn = (panel - first) % 2;
  char *const now = own + turn * job->panel_bytes, *const next = own + (1 - turn) * job->panel_bytes;
  if (panel == first) expand_units(job, chunk->masked, now, index, unit, units);
  panels panels = {.b = now, .ahead = now, .count = 1, .extra = extra_of(job, chunk->masked, index)};
  if (panel + 1 < end) {
    *ahead = expand_ahead(chunk, panel + 1, next, unit, units);
    panels.tile = kernel->expanding;
    panels.expand = ahead;
  }
  return panels;
}
