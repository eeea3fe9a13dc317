#include "ck_product_f64.h"
#include "vector/widths.h"

// Tasks are blocks of c; their part of B is packed in panels as wide as a tile, which stay in the second-level cache.
// The panels' width divides BLOCK_COLUMNS on every instruction set.
enum { BLOCK_ROWS = 512, BLOCK_COLUMNS = 96, BLOCK_STEPS = 256 };

typedef struct product_kernels {
  size_t tile_columns;
  void (*subtract)(size_t rows, size_t columns, size_t K, const double *a, size_t a_stride, const double *b, double *c,
                   size_t c_stride);
} product_kernels;
typedef struct product_job {
  const product_kernels *kernels;
  size_t M, N, K, a_stride, b_stride, c_stride, column_blocks;
  const double *a, *b;
  ck_orientation orientation;
  double *c;
} product_job;

#define CK_BODY "productf64/body.inc.h"
#include "runtime/each_width.inc.h"

static const ck_variant variants[] = {CK_EACH_WIDTH(CK_WIDTH_VARIANT)};
enum { VARIANTS = sizeof variants / sizeof variants[0] };
const ck_variant *ck_product_f64_variants(size_t *count) { return *count = VARIANTS, variants; }

#define KERNELS(width) {tile_columns_##width, subtract_block_##width},
static const product_kernels kernels[] = {CK_EACH_WIDTH(KERNELS)};

// Steps k ..< k + steps of columns j ..< j + columns, panel by panel, with zeros beyond the last column.
static void pack(const product_job *job, size_t k, size_t steps, size_t j, size_t columns, double *packed) {
  const size_t width = job->kernels->tile_columns;
  const bool is_transposed = job->orientation == CK_TRANSPOSED;
  const double *b = job->b + (is_transposed ? j * job->b_stride + k : k * job->b_stride + j);
  const size_t along_k = is_transposed ? 1 : job->b_stride, along_j = is_transposed ? job->b_stride : 1;
  for (size_t first = 0; first < columns; first += width, packed += width * steps)
    for (size_t step = 0; step < steps; ++step)
      for (size_t i = 0; i < width; ++i)
        packed[step * width + i] = first + i < columns ? b[step * along_k + (first + i) * along_j] : 0;
}

static void block(ck_worker *worker, const void *argument, size_t task) {
  const product_job *job = argument;
  double *packed = ck_worker_scratch(worker);
  const size_t i = task / job->column_blocks * BLOCK_ROWS, j = task % job->column_blocks * BLOCK_COLUMNS;
  const size_t rows = ck_min(BLOCK_ROWS, job->M - i), columns = ck_min(BLOCK_COLUMNS, job->N - j);
  for (size_t k = 0; k < job->K; k += BLOCK_STEPS) {
    const size_t steps = ck_min(BLOCK_STEPS, job->K - k);
    pack(job, k, steps, j, columns, packed);
    job->kernels->subtract(rows, columns, steps, job->a + i * job->a_stride + k, job->a_stride, packed,
                           job->c + i * job->c_stride + j, job->c_stride);
  }
}

static void program(ck_worker *worker, const void *argument) {
  const product_job *job = argument;
  ck_for(worker, ck_ceil_div(job->M, BLOCK_ROWS) * job->column_blocks, block, job);
}

ck_status ck_subtract_product_f64(const ck_context *context, size_t M, size_t N, size_t K, const double *a,
                                  size_t a_stride, const double *b, size_t b_stride, ck_orientation b_orientation,
                                  double *c, size_t c_stride) {
  if (b_orientation != CK_AS_IS && b_orientation != CK_TRANSPOSED) return CK_BAD_ARGUMENT;
  if (ck_product_overflows(M, a_stride) || ck_product_overflows(M, c_stride) ||
      ck_product_overflows(b_orientation == CK_TRANSPOSED ? N : K, b_stride))
    return CK_BAD_SHAPE;
  if (M == 0 || N == 0 || K == 0) return CK_OK;
  if (!a || !b || !c) return CK_BAD_ARGUMENT;
  if (a_stride < K || c_stride < N || b_stride < (b_orientation == CK_TRANSPOSED ? K : N)) return CK_BAD_SHAPE;
  product_job job = {
      .kernels = &kernels[ck_first_allowed(variants, VARIANTS, context)],
      .M = M,
      .N = N,
      .K = K,
      .a_stride = a_stride,
      .b_stride = b_stride,
      .c_stride = c_stride,
      .column_blocks = ck_ceil_div(N, BLOCK_COLUMNS),
      .a = a,
      .b = b,
      .orientation = b_orientation,
      .c = c,
  };
  ck_needs needs = {
      .worker_bytes = (size_t)BLOCK_STEPS * BLOCK_COLUMNS * sizeof(double),
      .work_ns = (double)M * (double)N * (double)K * 0.05,
  };
  return ck_submit(context, program, &job, sizeof job, needs);
}
