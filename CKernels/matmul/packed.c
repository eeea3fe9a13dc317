// B packed ahead: weights are packed once and multiplied many times.
#include "matmul/packed.h"
#include <stdlib.h>
#include <string.h>

static ck_status create(const ck_context *context, ck_matmul_type type, size_t n, size_t k, const void *b,
                        ck_orientation orientation, ck_packed **out) {
  *out = NULL;
  if (ck_context_notes(context)) return CK_BAD_ARGUMENT; // the panels must be filled when this returns
  ck_isa needs;
  const ck_matmul_kernel *kernel = ck_matmul_best(type, ck_context_isa(context), &needs);
  if (!kernel) return CK_NO_KERNEL;
  if (orientation != CK_AS_IS && orientation != CK_TRANSPOSED) return CK_BAD_ARGUMENT;
  // Bounded so that padding to whole panels and blocks of K cannot overflow.
  if (!ck_matmul_fits(n, k) || n > PTRDIFF_MAX / 4096 || k > PTRDIFF_MAX / 4096) return CK_BAD_SHAPE;
  if (!ck_matmul_fits(ck_round_up(n, kernel->nr), ck_round_up(k, 64) + 64)) return CK_BAD_SHAPE;
  if (n && k && !b) return CK_BAD_ARGUMENT;
  ck_packed *packed = calloc(1, sizeof *packed);
  if (!packed) return CK_NO_MEMORY;
  *packed = (ck_packed){.kernel = kernel, .needs = needs, .type = type, .n = n, .k = k};
  packed->blocks = ck_matmul_split_k(kernel, ck_context_caches(context), k);
  const size_t panels = ck_ceil_div(n, kernel->nr), k_blocks = packed->blocks.k_blocks;
  packed->bytes = panels * k_blocks * ck_matmul_panel_bytes(kernel, packed->blocks.kc);
  packed->panels = aligned_alloc(64, ck_max(packed->bytes, 64));
  if (!packed->panels) return free(packed), CK_NO_MEMORY;
  const size_t element = kernel->element;
  ck_matmul_job job = {
      .kernel = kernel,
      .b = orientation == CK_TRANSPOSED ? (ck_matmul_operand){b, k * element, element}
                                        : (ck_matmul_operand){b, element, n * element},
      .c = packed->panels,
      .n = n,
      .k = k,
      .blocks = packed->blocks,
      .pack_tasks = ck_min(ck_ceil_div(4 * (size_t)ck_context_workers(context), k_blocks), panels),
  };
  ck_needs work = {.work_ns = (double)n * (double)k * (double)element / 4};
  if (n) {
    const ck_status status = ck_submit(context, ck_matmul_pack_program, &job, sizeof job, work);
    if (status != CK_OK) return ck_packed_destroy(packed), status;
  }
  *out = packed;
  return CK_OK;
}

ck_status ck_packed_create_f32(const ck_context *context, size_t n, size_t k, const float *b,
                               ck_orientation orientation, ck_packed **out) {
  return create(context, CK_MATMUL_F32, n, k, b, orientation, out);
}

ck_status ck_packed_create_s8(const ck_context *context, size_t n, size_t k, const int8_t *b,
                              ck_orientation orientation, const float *column_scales, ck_packed **out) {
  *out = NULL;
  if (k > CK_MATMUL_S8_MAX_K) return CK_BAD_SHAPE;
  if (n && !column_scales) return CK_BAD_ARGUMENT;
  ck_packed *packed;
  const ck_status status = create(context, CK_MATMUL_S8, n, k, b, orientation, &packed);
  if (status != CK_OK) return status;
  packed->column_scales = malloc(ck_max(n, 1) * sizeof(float));
  if (!packed->column_scales) return ck_packed_destroy(packed), CK_NO_MEMORY;
  memcpy(packed->column_scales, column_scales, n * sizeof(float));
  *out = packed;
  return CK_OK;
}

void ck_packed_destroy(ck_packed *packed) {
  if (!packed) return;
  free(packed->panels);
  free(packed->column_scales);
  free(packed);
}

size_t ck_packed_bytes(const ck_packed *packed) { return packed->bytes; }
