// The entry points: arguments are checked, the best kernel that the context allows is chosen, and the job is submitted.
#include "matmul/driver.h"
#include "matmul/packed.h"

static ck_matmul_operand operand(const void *data, size_t element, size_t count, size_t k, bool k_contiguous) {
  const size_t size = element;
  return k_contiguous ? (ck_matmul_operand){data, k * size, size} : (ck_matmul_operand){data, size, count * size};
}

static bool valid(ck_orientation orientation) { return orientation == CK_AS_IS || orientation == CK_TRANSPOSED; }

bool ck_matmul_fits(size_t rows, size_t columns) {
  size_t count;
  return !__builtin_mul_overflow(rows, columns, &count) && count <= PTRDIFF_MAX / 8;
}

static ck_status submit(const ck_context *context, ck_matmul_job *job) {
  if (!ck_matmul_fits(job->m, job->n) || !ck_matmul_fits(job->m, job->k) || !ck_matmul_fits(job->n, job->k))
    return CK_BAD_SHAPE;
  if (job->m == 0 || job->n == 0) return CK_OK;
  if (!job->c || (job->k && (!job->a.data || (!job->b.data && !job->packed)))) return CK_BAD_ARGUMENT;
  const ck_needs needs = ck_matmul_plan(job, ck_context_caches(context), ck_context_workers(context));
  return ck_submit(context, ck_matmul_program, job, sizeof *job, needs);
}

ck_status ck_matmul_f32(const ck_context *context, size_t m, size_t n, size_t k, const float *a,
                        ck_orientation orientation_a, const float *b, ck_orientation orientation_b, float *c,
                        ck_store store, const float *bias) {
  ck_isa needs;
  const ck_matmul_kernel *kernel = ck_matmul_best(CK_MATMUL_F32, ck_context_isa(context), &needs);
  if (!kernel) return CK_NO_KERNEL;
  if (!valid(orientation_a) || !valid(orientation_b)) return CK_BAD_ARGUMENT;
  ck_matmul_job job = {
      .kernel = kernel,
      .a = operand(a, sizeof *a, m, k, orientation_a == CK_AS_IS),
      .b = operand(b, sizeof *b, n, k, orientation_b == CK_TRANSPOSED),
      .c = (char *)c,
      .m = m,
      .n = n,
      .k = k,
      .accumulate = store == CK_ACCUMULATE,
      .bias = bias,
  };
  return submit(context, &job);
}

// B packed ahead decides the kernel and the blocks of K.
static ck_status submit_packed(const ck_context *context, ck_matmul_type type, const ck_packed *b, ck_matmul_job *job) {
  if (!b || b->type != type) return CK_BAD_ARGUMENT;
  if (b->needs & ~ck_context_isa(context)) return CK_NO_KERNEL;
  job->kernel = b->kernel, job->packed = b->panels, job->blocks = b->blocks, job->n = b->n, job->k = b->k;
  return submit(context, job);
}

ck_status ck_matmul_f32_packed(const ck_context *context, size_t m, const float *a, ck_orientation orientation_a,
                               const ck_packed *b, float *c, ck_store store, const float *bias) {
  if (!b || !valid(orientation_a)) return CK_BAD_ARGUMENT;
  ck_matmul_job job = {
      .a = operand(a, sizeof *a, m, b->k, orientation_a == CK_AS_IS),
      .c = (char *)c,
      .m = m,
      .accumulate = store == CK_ACCUMULATE,
      .bias = bias,
  };
  return submit_packed(context, CK_MATMUL_F32, b, &job);
}

ck_status ck_matmul_s8_packed(const ck_context *context, size_t m, const int8_t *a, const ck_packed *b, int32_t *c) {
  if (!b) return CK_BAD_ARGUMENT;
  ck_matmul_job job = {.a = operand(a, sizeof *a, m, b->k, true), .c = (char *)c, .m = m};
  return submit_packed(context, CK_MATMUL_S8, b, &job);
}

ck_status ck_matmul_s8_packed_dequantized(const ck_context *context, size_t m, const int8_t *a, const float *row_scales,
                                          const ck_packed *b, float *c, const float *bias) {
  if (!b || !row_scales || !b->column_scales) return CK_BAD_ARGUMENT;
  ck_matmul_job job = {
      .a = operand(a, sizeof *a, m, b->k, true),
      .c = (char *)c,
      .m = m,
      .bias = bias,
      .row_scale = row_scales,
      .column_scale = b->column_scales,
  };
  return submit_packed(context, CK_MATMUL_S8, b, &job);
}
