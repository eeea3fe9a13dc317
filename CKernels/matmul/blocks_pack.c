// Packing in blocks: the vectors of each panel that hold anything but zeros are counted, and, when it is known where
// all panels go, written. -0 is zero.
#include "matmul/blocks.h"
#include "matmul/packed.h"
#include <stdlib.h>
#include <string.h>

typedef struct job {
  const ck_matmul_kernel *kernel;
  ck_matmul_source source;
  ck_blocks_panel *panels;
  size_t n, k, element; // bytes
  char *to;             // NULL: only count
} job;

// A K-group of 16 columns: [column][step], missing ones zero. Whether there is anything in it.
CK_INLINE bool read_block(const job *job, char *block, size_t column, size_t k, const size_t element) {
  const size_t columns = ck_min(CK_BLOCK_COLUMNS, job->n - column), steps = ck_min(4 / element, job->k - k);
  const char *from = job->source.data + column * job->source.stride + k * job->source.k_stride;
  uint32_t any = 0;
  memset(block, 0, CK_BLOCK_BYTES);
  for (size_t c = 0; c < columns; c++, from += job->source.stride)
    for (size_t s = 0; s < steps; s++) {
      uint32_t bits = 0;
      memcpy(&bits, from + s * job->source.k_stride, element);
      memcpy(block + c * 4 + s * element, &bits, element);
      any |= element == 4 ? bits << 1 : element == 2 ? bits << 17 : bits;
    }
  return any != 0;
}

// Minus 128 times the columns' sums, for products that take A + 128.
static void add_sums(int32_t *extra, const char *block) {
  for (size_t c = 0; c < CK_BLOCK_COLUMNS; c++)
    for (size_t s = 0; s < 4; s++) extra[c] -= 128 * (int32_t)(int8_t)block[c * 4 + s];
}

CK_INLINE void pack_panel(const job *job, size_t p, const size_t element) {
  const ck_matmul_kernel *kernel = job->kernel;
  const size_t groups = ck_blocks_groups(kernel, job->k), chunk = ck_max(kernel->chunk, 1);
  ck_blocks_panel *panel = job->panels + p;
  _Alignas(64) char block[CK_BLOCK_BYTES];
  char *start = job->to ? job->to + panel->start : NULL, *vectors = NULL;
  uint16_t *index = (uint16_t *)start;
  int32_t extra[CK_BLOCK_COLUMNS] = {0};
  if (start) vectors = start + ck_blocks_vectors_at(panel->kept);
  size_t kept = 0;
  for (size_t g = 0; g < groups; g++) {
    if (!read_block(job, block, p * CK_BLOCK_COLUMNS, g * kernel->kgroup, element)) continue;
    if (start) {
      index[kept] = (uint16_t)g;
      char *to = vectors + kept / chunk * chunk * CK_BLOCK_BYTES + kept % chunk * 4;
      for (size_t c = 0; c < CK_BLOCK_COLUMNS; c++) memcpy(to + c * chunk * 4, block + c * 4, 4);
      if (kernel->b_extra) add_sums(extra, block);
    }
    kept++;
  }
  if (!start) {
    panel->kept = ck_round_up(kept, chunk);
    panel->start = ck_blocks_vectors_at(panel->kept) + panel->kept * CK_BLOCK_BYTES + kernel->b_extra; // bytes, for now
    return;
  }
  for (; kept < panel->kept + CK_BLOCKS_AHEAD; kept++) index[kept] = (uint16_t)groups;
  memcpy(vectors + panel->kept * CK_BLOCK_BYTES, extra, kernel->b_extra);
}

static void panel_task(ck_worker *worker, const void *argument, size_t p) {
  const job *job = argument;
  if (job->element == 1)
    pack_panel(job, p, 1);
  else if (job->element == 2)
    pack_panel(job, p, 2);
  else
    pack_panel(job, p, 4);
}
static void program(ck_worker *worker, const void *argument) {
  const job *job = argument;
  ck_for_parts(worker, ck_ceil_div(job->n, CK_BLOCK_COLUMNS), panel_task, job);
}

ck_status ck_blocks_pack(const ck_context *context, ck_packed *packed, ck_weights weights, ck_placement placement) {
  const size_t n = packed->n, k = packed->k, element = ck_type_bytes(ck_product_right(packed->product));
  const size_t count = ck_ceil_div(n, CK_BLOCK_COLUMNS);
  if (ck_blocks_groups(packed->kernel, k) > CK_BLOCKS_MOST_GROUPS) return CK_BAD_SHAPE;
  ck_blocks *blocks = &packed->blocks;
  blocks->panels = calloc(count + 1, sizeof *blocks->panels);
  if (!blocks->panels) return CK_NO_MEMORY;
  const bool transposed = weights.orientation == CK_TRANSPOSED;
  job job = {
      .kernel = packed->kernel,
      .source = {.data = weights.data,
                 .stride = transposed ? k * element : element,
                 .k_stride = transposed ? element : n * element},
      .panels = blocks->panels,
      .n = n,
      .k = k,
      .element = element,
  };
  const ck_needs work = {.work_ns = (double)n * (double)k};
  ck_status status = count ? ck_submit(context, program, &job, sizeof job, work) : CK_OK;
  if (status != CK_OK) return status;
  size_t total = 0;
  for (size_t p = 0; p < count; p++) {
    const size_t bytes = blocks->panels[p].start;
    blocks->panels[p].start = total;
    blocks->kept += blocks->panels[p].kept;
    total += bytes;
  }
  blocks->panels[count].start = total;
  packed->bytes = total;
  const size_t part = ck_round_up(ck_max(ck_ceil_div(total, ck_max(count, 1)), 64), 64);
  status = ck_placed_create(context, ck_max(total, 64), part, placement, 0, &packed->panels);
  if (status != CK_OK || count == 0) return status;
  job.to = ck_placed_start(packed->panels);
  status = ck_submit(context, program, &job, sizeof job, work);
  return status == CK_OK ? ck_placed_replicate(context, packed->panels) : status;
}

void ck_blocks_destroy(ck_blocks *blocks) { free(blocks->panels); }
