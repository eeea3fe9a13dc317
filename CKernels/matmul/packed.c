// B packed ahead: weights are packed once and multiplied many times. A panel holds all of K, so that a product of few
// rows reads the weights from start to end.
#include "matmul/packed.h"
#include "step/step.h"
#include <stdlib.h>
#include <string.h>

static bool below_16(const uint8_t *points, size_t count) {
  uint8_t all = 0;
  for (size_t i = 0; i < count; i++) all |= points[i];
  return all < 16;
}

// Room for dense panels, zeros.
static ck_status make_room(const ck_context *context, ck_packed *packed, ck_placement placement) {
  const size_t panel_bytes = ck_max(ck_matmul_panel_bytes(packed->kernel, packed->k), 64);
  packed->bytes = ck_max(ck_ceil_div(packed->n, packed->kernel->nr), 1) * panel_bytes;
  return ck_placed_create(context, packed->bytes, panel_bytes, placement, 0, &packed->panels);
}

static ck_status pack(const ck_context *context, ck_packed *packed, ck_weights weights, ck_placement placement) {
  if (weights.form == CK_FORM_BITMASK) return ck_masked_pack(context, packed, weights, placement);
  const ck_status room = make_room(context, packed, placement);
  if (room != CK_OK || packed->n == 0) return room;
  const ck_matmul_kernel *kernel = packed->kernel;
  const size_t n = packed->n, k = packed->k, group = ck_product_group(packed->product);
  const ck_type type = ck_product_right(packed->product);
  const size_t row = type == CK_TYPES ? k / 2 : k * ck_type_bytes(type);
  const size_t element = type == CK_TYPES ? 0 : ck_type_bytes(type);
  ck_matmul_job job = {
      .kernel = kernel,
      .b = {.data = weights.data,
            .stride = weights.orientation == CK_TRANSPOSED ? row : element,
            .k_stride = weights.orientation == CK_TRANSPOSED ? element : n * element,
            .group_scales = weights.group_scales,
            .zero_points = weights.zero_points,
            .groups = k / group},
      .c = ck_placed_start(packed->panels),
      .n = n,
      .k = k,
      .kc = ck_max(k, 1),
      .k_blocks = 1,
      .pack_tasks = ck_min(ck_ceil_div(n, kernel->nr), 4 * (size_t)ck_context_workers(context)),
  };
  const ck_needs needs = {.work_ns = (double)packed->bytes / 4};
  const ck_status status = ck_submit(context, ck_matmul_pack_program, &job, sizeof job, needs);
  return status == CK_OK ? ck_placed_replicate(context, packed->panels) : status;
}

static ck_status create(const ck_context *context, ck_product product, size_t n, size_t k, ck_placement placement,
                        ck_packed **out) {
  *out = NULL;
  if (ck_context_notes(context)) return CK_BAD_ARGUMENT; // the panels must be there when this returns
  if ((uint32_t)product >= CK_PRODUCTS || placement == CK_PLACE_NODE) return CK_BAD_ARGUMENT;
  ck_isa needs;
  const ck_matmul_kernel *kernel = ck_matmul_best(product, ck_context_isa(context), &needs);
  if (!kernel) return CK_NO_KERNEL;
  // Bounded so that padding to whole panels cannot overflow.
  if (!ck_matmul_fits(n, k) || n > PTRDIFF_MAX / 4096 || k > PTRDIFF_MAX / 4096) return CK_BAD_SHAPE;
  if (!ck_matmul_fits(ck_round_up(n, kernel->nr), ck_round_up(k, 64) + 64)) return CK_BAD_SHAPE;
  if (k % ck_product_group(product) != 0 || k > ck_product_max_k(product)) return CK_BAD_SHAPE;
  ck_packed *packed = calloc(1, sizeof *packed);
  if (!packed) return CK_NO_MEMORY;
  *packed = (ck_packed){.kernel = kernel, .needs = needs, .product = product, .n = n, .k = k};
  *out = packed;
  return CK_OK;
}

ck_status ck_packed_create(const ck_context *context, ck_product product, size_t n, size_t k, ck_weights weights,
                           ck_placement placement, ck_packed **out) {
  ck_packed *packed;
  *out = NULL;
  if (weights.orientation != CK_AS_IS && weights.orientation != CK_TRANSPOSED) return CK_BAD_ARGUMENT;
  if (weights.form != CK_FORM_DENSE && weights.form != CK_FORM_BITMASK) return CK_BAD_ARGUMENT;
  ck_status status = create(context, product, n, k, placement, &packed);
  if (status != CK_OK) return status;
  packed->form = weights.form;
  const size_t group = ck_product_group(product);
  if (n && k && !weights.data) status = CK_BAD_ARGUMENT;
  if (group > 1 && n && k) {
    if (!weights.group_scales || weights.orientation != CK_TRANSPOSED) status = CK_BAD_ARGUMENT;
    if (!ck_product_has_zeros(product) != !weights.zero_points) status = CK_BAD_ARGUMENT;
  }
  if (weights.zero_points && !below_16(weights.zero_points, n * (k / group))) status = CK_BAD_ARGUMENT;
  if (status == CK_OK && weights.column_scales) {
    packed->column_scales = malloc(ck_max(n, 1) * sizeof(float));
    if (packed->column_scales)
      memcpy(packed->column_scales, weights.column_scales, n * sizeof(float));
    else
      status = CK_NO_MEMORY;
  }
  if (status == CK_OK) status = pack(context, packed, weights, placement);
  if (status != CK_OK) return ck_packed_destroy(packed), status;
  *out = packed;
  return CK_OK;
}

static bool is_floating(ck_product product) {
  return product == CK_PRODUCT_F32 || product == CK_PRODUCT_BF16 || product == CK_PRODUCT_F16;
}

ck_status ck_packed_create_zero(const ck_context *context, ck_product product, size_t n, size_t k,
                                ck_placement placement, ck_packed **out) {
  *out = NULL;
  if (!is_floating(product) && product != CK_PRODUCT_S8) return CK_BAD_ARGUMENT;
  ck_packed *packed = NULL;
  ck_status status = create(context, product, n, k, placement, &packed);
  if (status == CK_OK) status = make_room(context, packed, placement);
  if (status != CK_OK) return ck_packed_destroy(packed), status;
  if (product == CK_PRODUCT_S8) {
    packed->column_scales = calloc(ck_max(n, 1), sizeof(float));
    if (!packed->column_scales) return ck_packed_destroy(packed), CK_NO_MEMORY;
  }
  *out = packed;
  return CK_OK;
}

// A step without a rule only packs.
static ck_status update(const ck_context *context, ck_packed *forward, ck_packed *backward, const float *w) {
  if ((forward && forward->form) || (backward && backward->form)) return CK_BAD_ARGUMENT;
  if ((forward ? forward : backward)->product == CK_PRODUCT_S8)
    return ck_packed_requantize(context, forward, backward, w);
  const ck_step_matrix matrix = {
      .rows = forward ? forward->n : backward->k,
      .columns = forward ? forward->k : backward->n,
      .w = (float *)(uintptr_t)w, // only read
      .forward = forward,
      .backward = backward,
  };
  return ck_step_submit(context, &matrix, &(ck_step){.element_ns = 0.1f});
}

ck_status ck_packed_update(const ck_context *context, ck_packed *packed, const float *w, ck_orientation orientation) {
  if (!packed || (orientation != CK_AS_IS && orientation != CK_TRANSPOSED)) return CK_BAD_ARGUMENT;
  return orientation == CK_TRANSPOSED ? update(context, packed, NULL, w) : update(context, NULL, packed, w);
}

ck_status ck_packed_update_both(const ck_context *context, ck_packed *forward, ck_packed *backward, const float *w) {
  return forward && backward ? update(context, forward, backward, w) : CK_BAD_ARGUMENT;
}

void ck_packed_destroy(ck_packed *packed) {
  if (!packed) return;
  ck_placed_destroy(packed->panels);
  ck_masked_destroy(&packed->masked);
  free(packed->column_scales);
  free(packed);
}

size_t ck_packed_bytes(const ck_packed *packed) { return packed->bytes; }

uint32_t ck_packed_copies(const ck_packed *packed) { return ck_placed_copies(packed->panels); }
