// Packing as bit masks: every panel is packed as a dense one, counted, and, when it is known where all of them go,
// packed again and written.
#include "matmul/masked.h"
#include "matmul/packed.h"
#include <stdlib.h>
#include <string.h>

size_t ck_masked_element(ck_product product) {
  switch (product) {
  case CK_PRODUCT_F32:
    return 4;
  case CK_PRODUCT_BF16:
  case CK_PRODUCT_F16:
    return 2;
  case CK_PRODUCT_S8:
  case CK_PRODUCT_U8S8:
    return 1;
  default:
    return 0;
  }
}

typedef struct job {
  const ck_matmul_kernel *kernel;
  ck_matmul_source source;
  const ck_masked *masked;
  size_t n, k;
  char *to; // NULL: only count
} job;

// Dense bytes of the units of a panel, in whole vectors.
static size_t dense_bytes(const ck_matmul_kernel *kernel, size_t k) {
  return ck_round_up(ck_matmul_units(kernel, k) * kernel->unit_bytes, CK_MASK_VECTOR);
}

CK_INLINE size_t count_nonzero(const char *dense, size_t bytes, const size_t element) {
  size_t count = 0;
  for (size_t at = 0; at < bytes; at += element) {
    uint32_t bits = 0;
    memcpy(&bits, dense + at, element);
    count += bits != 0;
  }
  return count;
}
static size_t count_chunk(const char *dense, size_t bytes, size_t element) {
  return element == 1   ? count_nonzero(dense, bytes, 1)
         : element == 2 ? count_nonzero(dense, bytes, 2)
                        : count_nonzero(dense, bytes, 4);
}

CK_INLINE void write_nonzero(char *to, const char *dense, size_t bytes, const size_t element) {
  char *values = to + ck_mask_bytes(bytes, element);
  for (size_t at = 0; at < bytes; at += 8 * element, to++) {
    unsigned mask = 0;
#pragma clang loop unroll(full)
    for (unsigned e = 0; e < 8; e++) {
      uint32_t bits = 0;
      memcpy(&bits, dense + at + e * element, element);
      if (bits == 0) continue;
      memcpy(values, &bits, element);
      values += element;
      mask |= 1u << e;
    }
    *to = (char)mask;
  }
}
static void write_chunk(char *to, const char *dense, size_t bytes, size_t element) {
  if (element == 1)
    write_nonzero(to, dense, bytes, 1);
  else if (element == 2)
    write_nonzero(to, dense, bytes, 2);
  else
    write_nonzero(to, dense, bytes, 4);
}

static void panel_task(ck_worker *worker, const void *argument, size_t panel) {
  const job *job = argument;
  const ck_matmul_kernel *kernel = job->kernel;
  const ck_masked *masked = job->masked;
  const size_t column = panel * kernel->nr, units = ck_matmul_units(kernel, job->k) * kernel->unit_bytes;
  const size_t bytes = dense_bytes(kernel, job->k);
  char *dense = ck_worker_scratch(worker), *extra = kernel->b_extra ? dense + units : NULL;
  memset(dense + units, 0, bytes - units);
  kernel->pack_b(dense, extra, &job->source, column, ck_min(kernel->nr, job->n - column), 0, job->k);
  uint32_t *chunks = masked->chunks + panel * (masked->per_panel + 1);
  char *to = job->to ? job->to + masked->panels[panel] : NULL;
  size_t end = 0;
  for (size_t c = 0; c < masked->per_panel; c++) {
    const size_t from = c * CK_MASK_CHUNK, count = ck_min(CK_MASK_CHUNK, bytes - from);
    if (to) {
      write_chunk(to + chunks[c], dense + from, count, masked->element);
      continue;
    }
    chunks[c] = (uint32_t)end;
    end += ck_mask_bytes(count, masked->element) + count_chunk(dense + from, count, masked->element) * masked->element;
  }
  if (!to) {
    chunks[masked->per_panel] = (uint32_t)ck_round_up(end, CK_MASK_VECTOR);
    masked->panels[panel] = chunks[masked->per_panel] + ck_round_up(kernel->b_extra, CK_MASK_VECTOR);
  } else if (extra) {
    memcpy(to + chunks[masked->per_panel], extra, kernel->b_extra);
  }
}

static void program(ck_worker *worker, const void *argument) {
  const job *job = argument;
  ck_for_parts(worker, ck_ceil_div(job->n, job->kernel->nr), panel_task, job);
}

ck_status ck_masked_pack(const ck_context *context, ck_packed *packed, ck_weights weights, ck_placement placement) {
  const ck_matmul_kernel *kernel = packed->kernel;
  const size_t n = packed->n, k = packed->k, element = ck_masked_element(packed->product);
  const size_t count = ck_ceil_div(n, kernel->nr), bytes = dense_bytes(kernel, k);
  ck_isa needs;
  const ck_mask_kernel *mask = ck_mask_best(ck_context_isa(context), &needs);
  if (element == 0) return CK_BAD_ARGUMENT;
  if (bytes > UINT32_MAX / 2) return CK_BAD_SHAPE;
  packed->needs |= needs;
  const bool tile = kernel->masked && (kernel->masked_needs & ~ck_context_isa(context)) == 0;
  if (tile) packed->needs |= kernel->masked_needs;
  ck_masked *masked = &packed->masked;
  masked->element = element;
  masked->tile = tile ? kernel->masked : NULL;
  masked->expand = mask->expand[element / 2];
  masked->per_panel = ck_ceil_div(bytes, CK_MASK_CHUNK);
  masked->panels = calloc(count + 1, sizeof *masked->panels);
  masked->chunks = calloc(ck_max(count, 1) * (masked->per_panel + 1), sizeof *masked->chunks);
  if (!masked->panels || !masked->chunks) return CK_NO_MEMORY;
  const bool transposed = weights.orientation == CK_TRANSPOSED;
  job job = {
      .kernel = kernel,
      .source = {.data = weights.data,
                 .stride = transposed ? k * element : element,
                 .k_stride = transposed ? element : n * element},
      .masked = masked,
      .n = n,
      .k = k,
  };
  const ck_needs work = {.worker_bytes = ck_matmul_panel_bytes(kernel, k) + CK_MASK_VECTOR,
                         .work_ns = (double)n * (double)k};
  ck_status status = count ? ck_submit(context, program, &job, sizeof job, work) : CK_OK;
  if (status != CK_OK) return status;
  size_t total = 0;
  for (size_t p = 0; p < count; p++) {
    const size_t size = masked->panels[p];
    masked->panels[p] = total;
    total += size;
  }
  masked->panels[count] = total;
  packed->bytes = total + CK_MASK_SLACK;
  const size_t part = ck_round_up(ck_max(ck_ceil_div(total, ck_max(count, 1)), 64), 64);
  status = ck_placed_create(context, packed->bytes, part, placement, 0, &packed->panels);
  if (status != CK_OK || count == 0) return status;
  job.to = ck_placed_start(packed->panels);
  status = ck_submit(context, program, &job, sizeof job, work);
  return status == CK_OK ? ck_placed_replicate(context, packed->panels) : status;
}

void ck_masked_destroy(ck_masked *masked) {
  free(masked->panels);
  free(masked->chunks);
}

const char *ck_masked_at(const ck_masked *masked, const ck_matmul_kernel *kernel, const char *panel, size_t index,
                         size_t unit) {
  return panel + masked->chunks[index * (masked->per_panel + 1) + unit * kernel->unit_bytes / CK_MASK_CHUNK];
}

void ck_masked_expand(const ck_masked *masked, const ck_matmul_kernel *kernel, const char *panel, size_t index,
                      char *to, size_t first, size_t count) {
  const size_t bytes = count * kernel->unit_bytes;
  const char *from = ck_masked_at(masked, kernel, panel, index, first);
  size_t at = 0;
  for (; at + CK_MASK_CHUNK <= bytes; at += CK_MASK_CHUNK) from = masked->expand(to + at, from, CK_MASK_CHUNK);
  if (at < bytes) masked->expand(to + at, from, ck_round_up(bytes - at, CK_MASK_VECTOR));
}
