// The entry points: arguments are checked, the best kernel that the context allows is chosen, and the job is submitted.
#include "matmul/driver.h"
#include "matmul/packed.h"

size_t ck_type_bytes(ck_type type) {
  static const uint8_t bytes[CK_TYPES] = {[CK_F32] = 4, [CK_BF16] = 2, [CK_F16] = 2,
                                          [CK_S8] = 1,  [CK_U8] = 1,   [CK_S32] = 4};
  return bytes[type];
}

ck_type ck_product_right(ck_product product) {
  switch (product) {
  case CK_PRODUCT_F32:
    return CK_F32;
  case CK_PRODUCT_BF16:
    return CK_BF16;
  case CK_PRODUCT_F16:
    return CK_F16;
  case CK_PRODUCT_S8:
  case CK_PRODUCT_U8S8:
  case CK_PRODUCT_F32S8:
  case CK_PRODUCT_BF16S8:
    return CK_S8;
  default:
    return CK_TYPES;
  }
}

bool ck_product_has_zeros(ck_product product) {
  switch (product) {
  case CK_PRODUCT_S8U4G32:
  case CK_PRODUCT_S8U4G128:
  case CK_PRODUCT_BF16U4G32:
  case CK_PRODUCT_BF16U4G128:
    return true;
  default:
    return false;
  }
}

static bool valid(ck_orientation orientation) { return orientation == CK_AS_IS || orientation == CK_TRANSPOSED; }

static ck_matmul_source source(const void *data, size_t element, size_t count, size_t k, bool k_contiguous) {
  return (ck_matmul_source){
      .data = data,
      .stride = k_contiguous ? k * element : element,
      .k_stride = k_contiguous ? element : count * element,
  };
}

bool ck_matmul_fits(size_t rows, size_t columns) {
  size_t count;
  return !__builtin_mul_overflow(rows, columns, &count) && count <= PTRDIFF_MAX / 8;
}

static ck_status set_left(ck_matmul_job *job, ck_left a) {
  const ck_matmul_kernel *kernel = job->kernel;
  if ((uint32_t)a.type >= CK_TYPES || !valid(a.orientation) || !kernel->pack_a[a.type]) return CK_BAD_ARGUMENT;
  job->pack_a = kernel->pack_a[a.type];
  job->quantizes = a.type == CK_F32 && kernel->row_scale;
  if (job->quantizes && a.orientation != CK_AS_IS) return CK_BAD_ARGUMENT;
  job->a = source(a.data, ck_type_bytes(a.type), job->m, job->k, a.orientation == CK_AS_IS);
  return CK_OK;
}

static bool is_empty(const ck_epilogue *e) {
  return !e->row_scales && !e->column_scales && !e->bias && !e->saved && !e->residual && !e->function &&
         e->dropout == 0;
}

static ck_status set_result(ck_matmul_job *job, const ck_context *context, ck_result c, const float *column_scales) {
  const ck_type sums = job->kernel->sums;
  if ((uint32_t)c.type >= CK_TYPES || c.type == CK_U8 || (c.store != CK_REPLACE && c.store != CK_ACCUMULATE))
    return CK_BAD_ARGUMENT;
  job->accumulate = c.store == CK_ACCUMULATE;
  if (job->accumulate && (c.type != CK_F32 || sums != CK_F32)) return CK_BAD_ARGUMENT;
  ck_epilogue epilogue = c.epilogue ? *c.epilogue : (ck_epilogue){0};
  if (c.type == CK_S32) return sums == CK_S32 && !job->quantizes && is_empty(&epilogue) ? CK_OK : CK_BAD_ARGUMENT;
  if (job->quantizes && epilogue.row_scales) return CK_BAD_ARGUMENT;
  if (!epilogue.column_scales) epilogue.column_scales = column_scales;
  if (c.type == sums && !job->quantizes && is_empty(&epilogue)) return CK_OK;
  // C may be its own residual or operand, element by element; accumulating leaves no place for both.
  job->partials = c.data && (epilogue.residual == c.data || epilogue.operand == c.data);
  if (job->partials && job->accumulate) return CK_BAD_ARGUMENT;
  job->finish_tile = ck_finish_best(context);
  return ck_finish_prepare(&job->finish, &epilogue, c.data, c.type, sums, job->n);
}

// What is left once kernel, extents and B are in the job.
static ck_status submit(const ck_context *context, ck_product product, ck_matmul_job *job, ck_left a, ck_result c,
                        const float *scales) {
  if (!ck_matmul_fits(job->m, job->n) || !ck_matmul_fits(job->m, job->k) || !ck_matmul_fits(job->n, job->k))
    return CK_BAD_SHAPE;
  if (job->k > ck_product_max_k(product)) return CK_BAD_SHAPE;
  ck_status status = set_left(job, a);
  if (status == CK_OK) status = set_result(job, context, c, scales);
  if (status != CK_OK) return status;
  if (job->m == 0 || job->n == 0) return CK_OK;
  if (!c.data || (job->k && (!a.data || (!job->b.data && !job->packed)))) return CK_BAD_ARGUMENT;
  job->c = c.data;
  job->c_element = ck_type_bytes(c.type);
  const ck_caches caches = ck_context_caches(context);
  const size_t workers = ck_context_workers(context);
  if (job->packed && job->packed->form == CK_FORM_BLOCKS)
    return ck_submit(context, ck_blocks_program, job, sizeof *job, ck_blocks_plan(job, caches, workers));
  const ck_needs needs = ck_matmul_plan(job, caches, workers);
  return ck_submit(context, ck_matmul_program, job, sizeof *job, needs);
}

ck_status ck_matmul(const ck_context *context, ck_product product, size_t m, size_t n, size_t k, ck_left a, ck_right b,
                    ck_result c) {
  if ((uint32_t)product >= CK_PRODUCTS || (uint32_t)b.type >= CK_TYPES || !valid(b.orientation)) return CK_BAD_ARGUMENT;
  const ck_type type = ck_product_right(product);
  if (type == CK_TYPES) return CK_BAD_ARGUMENT; // 4-bit weights are packed ahead
  ck_isa needs;
  const ck_matmul_kernel *kernel = ck_matmul_best(product, ck_context_isa(context), &needs);
  if (!kernel) return CK_NO_KERNEL;
  ck_narrow_rows *narrow = b.type == CK_F32 && type != CK_F32 ? ck_matmul_narrow(context, type) : NULL;
  if (b.type != type && !narrow) return CK_BAD_ARGUMENT;
  ck_matmul_job job = {
      .kernel = kernel,
      .b = source(b.data, ck_type_bytes(b.type), n, k, b.orientation == CK_TRANSPOSED),
      .narrow = narrow,
      .m = m,
      .n = n,
      .k = k,
  };
  return submit(context, product, &job, a, c, NULL);
}

ck_status ck_matmul_packed(const ck_context *context, size_t m, ck_left a, const ck_packed *b, ck_result c) {
  if (!b) return CK_BAD_ARGUMENT;
  if (b->needs & ~ck_context_isa(context)) return CK_NO_KERNEL;
  ck_matmul_job job = {
      .kernel = b->kernel, .packed = b, .dense = b->form == CK_FORM_DENSE, .m = m, .n = b->n, .k = b->k};
  return submit(context, b->product, &job, a, c, b->column_scales);
}

ck_status ck_matmul_f32(const ck_context *context, size_t m, size_t n, size_t k, const float *a,
                        ck_orientation orientation_a, const float *b, ck_orientation orientation_b, float *c,
                        ck_store store, const float *bias) {
  const ck_epilogue epilogue = {.bias = bias};
  return ck_matmul(context, CK_PRODUCT_F32, m, n, k, (ck_left){a, CK_F32, orientation_a},
                   (ck_right){b, CK_F32, orientation_b}, (ck_result){c, CK_F32, store, &epilogue});
}
