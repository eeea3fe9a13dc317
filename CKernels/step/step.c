#include "step/step.h"
#include "matmul/packed.h"
#include <string.h>

#define CK_BODY "step/body.inc.h"
#include "runtime/each_width.inc.h"

static const ck_variant variants[] = {CK_EACH_WIDTH(CK_WIDTH_VARIANT)};
enum { VARIANTS = sizeof variants / sizeof *variants };

typedef struct {
  void (*to_bf16)(size_t count, const float *x, uint16_t *y, ptrdiff_t ahead);
  void (*to_f16)(size_t count, const float *x, uint16_t *y, ptrdiff_t ahead);
  void (*stream)(char *to, const char *from, size_t bytes);
} kernel_set;
static const kernel_set kernels[] = {
#define X(width) {to_bf16_##width, to_f16_##width, stream_##width},
    CK_EACH_WIDTH(X)
#undef X
};

// A tile is whole panels of the forward form (32 rows: nr divides it) and whole panels of the backward one. Its rows of
// each array are pieces of up to 8 KiB, and its halves fit L2 beside them. Without packed forms rows do not matter.
enum { TILE_ROWS = 32, TILE_COLUMNS = 2048, LINE_COLUMNS = 16384, STRIP_STEPS = 128, STRIP_BYTES = 16384 };
enum { HALF_STRIDE = TILE_COLUMNS * 2 + 64 }; // not a power of two: rows of a column would share a few sets of L1

// One packed form.
typedef struct {
  const ck_matmul_kernel *kernel; // NULL: none
  char *panels;
  size_t panel_bytes;
} form;

typedef struct {
  ck_step step;
  size_t rows, columns;
  float *w;
  const float *g;
  form forward, backward;
  size_t element; // bytes of the packed forms'
  void (*narrow)(size_t count, const float *x, uint16_t *y, ptrdiff_t ahead);
  void (*stream)(char *to, const char *from, size_t bytes); // NULL: through the caches
  size_t tile_columns, row_blocks, column_blocks;
} job;
_Static_assert(sizeof(job) <= CK_JOB_BYTES, "a job fits the blocks of a list");

// Panel `first / nr` of a form, steps from ..< from + depth of K: a multiple of 32 steps, or the last ones.
static void pack(const job *j, const form *form, const ck_matmul_source *source, size_t panel, size_t first,
                 size_t count, size_t k, size_t from, size_t depth, char *strip) {
  const ck_matmul_kernel *kernel = form->kernel;
  char *to = form->panels + panel * form->panel_bytes + (k + from) / kernel->unit * kernel->unit_bytes;
  kernel->pack_b(j->stream ? strip : to, NULL, source, first, count, from, depth);
  if (j->stream) j->stream(to, strip, ck_matmul_units(kernel, depth) * kernel->unit_bytes);
}

// tile: element (row, column), at `stride` bytes from row to row.
static void pack_tile(const job *j, const char *tile, size_t stride, size_t row, size_t rows, size_t column,
                      size_t columns, char *strip) {
  if (j->forward.kernel) {
    const size_t nr = j->forward.kernel->nr;
    const ck_matmul_source source = {.data = tile, .stride = stride, .k_stride = j->element};
    for (size_t k = 0; k < columns; k += STRIP_STEPS)
      for (size_t r = 0; r < rows; r += nr)
        pack(j, &j->forward, &source, (row + r) / nr, r, ck_min(nr, rows - r), column, k,
             ck_min(STRIP_STEPS, columns - k), strip);
  }
  if (j->backward.kernel) {
    const size_t nr = j->backward.kernel->nr;
    const ck_matmul_source source = {.data = tile, .stride = j->element, .k_stride = stride};
    for (size_t c = 0; c < columns; c += nr)
      pack(j, &j->backward, &source, (column + c) / nr, c, ck_min(nr, columns - c), row, 0, rows, strip);
  }
}

// Every task reads the same norm.
bool ck_step_scale(const ck_step_gradient *gradient, float *scale) {
  double clip = 1;
  if (gradient->norm) {
    const double norm = *gradient->norm;
    if (!(norm - norm == 0)) return false; // infinity or NaN
    if (norm > gradient->limit) clip = gradient->limit / norm;
  }
  *scale = (float)(gradient->scale * clip * (gradient->factor ? *gradient->factor : 1));
  return true;
}

static void apply_rule(const job *j, float scale, size_t row, size_t column, size_t count, ptrdiff_t ahead) {
  char *state[CK_STEP_STATES];
  for (size_t s = 0; s < CK_STEP_STATES; s++) {
    const ck_step_state *of = &j->step.state[s];
    const size_t in_row = of->data ? ck_ceil_div(j->columns, of->per) : 0;
    state[s] = of->data ? (char *)of->data + (row * in_row + column / of->per) * of->bytes : NULL;
  }
  const size_t at = row * j->columns + column;
  j->step.rule(j->step.constants, scale, count, j->w + at, j->g + at, state, ahead);
}

static void tile_task(ck_worker *worker, const void *argument, size_t task) {
  const job *j = argument;
  const size_t row = task / j->column_blocks * TILE_ROWS, column = task % j->column_blocks * j->tile_columns;
  const size_t rows = ck_min(TILE_ROWS, j->rows - row), columns = ck_min(j->tile_columns, j->columns - column);
  float scale = 0;
  if (j->step.rule && !ck_step_scale(&j->step.gradient, &scale)) return;
  char *strip = ck_worker_scratch(worker), *halves = j->narrow ? strip + STRIP_BYTES : NULL;
  // After the last row the first one of the next tile, which is most likely this worker's.
  const bool right = task % j->column_blocks + 1 < j->column_blocks;
  const ptrdiff_t next = j->rows == 1 ? 0
                         : right      ? (ptrdiff_t)columns - (ptrdiff_t)((rows - 1) * j->columns)
                                      : (ptrdiff_t)j->columns - (ptrdiff_t)column;
  for (size_t r = 0; r < rows; r++) {
    const ptrdiff_t ahead = r + 1 < rows ? (ptrdiff_t)j->columns : next;
    if (j->step.rule) apply_rule(j, scale, row + r, column, columns, ahead);
    if (j->narrow)
      j->narrow(columns, j->w + (row + r) * j->columns + column, (uint16_t *)(halves + r * HALF_STRIDE), ahead);
  }
  if (j->narrow)
    pack_tile(j, halves, HALF_STRIDE, row, rows, column, columns, strip);
  else
    pack_tile(j, (const char *)(j->w + row * j->columns + column), j->columns * sizeof(float), row, rows, column,
              columns, strip);
}

static void program(ck_worker *worker, const void *argument) {
  const job *j = argument;
  ck_for_parts(worker, j->row_blocks * j->column_blocks, tile_task, j);
}

// Neighbouring rows are one where neither packed forms nor blocks of state tell them apart.
static void flatten(job *j) {
  for (size_t s = 0; s < CK_STEP_STATES; s++)
    if (j->step.state[s].data && j->columns % j->step.state[s].per != 0) return;
  j->columns *= j->rows;
  j->rows = 1;
  j->tile_columns = LINE_COLUMNS;
}

static ck_status set_form(form *form, const ck_context *context, const ck_packed *packed, size_t n, size_t k) {
  if (!packed) return CK_OK;
  if (packed->needs & ~ck_context_isa(context)) return CK_NO_KERNEL;
  const ck_type type = ck_product_right(packed->product);
  if ((type != CK_F32 && type != CK_BF16 && type != CK_F16) || packed->column_scales) return CK_BAD_ARGUMENT;
  if (packed->form != CK_FORM_DENSE) return CK_BAD_ARGUMENT;
  if (packed->n != n || packed->k != k) return CK_BAD_SHAPE;
  form->kernel = packed->kernel;
  form->panels = ck_placed_start(packed->panels);
  form->panel_bytes = ck_matmul_panel_bytes(packed->kernel, k);
  return CK_OK;
}

static ck_status replicate(const ck_context *context, const ck_packed *packed) {
  return packed ? ck_placed_replicate(context, packed->panels) : CK_OK;
}

ck_status ck_step_submit(const ck_context *context, const ck_step_matrix *matrix, const ck_step *step) {
  const ck_packed *forward = matrix->forward, *backward = matrix->backward;
  if (!ck_matmul_fits(matrix->rows, matrix->columns)) return CK_BAD_SHAPE;
  if (step->rule && step->gradient.norm && !(step->gradient.limit > 0)) return CK_BAD_ARGUMENT;
  job j = {.step = *step,
           .rows = matrix->rows,
           .columns = matrix->columns,
           .w = matrix->w,
           .g = matrix->g,
           .tile_columns = TILE_COLUMNS};
  ck_status status = set_form(&j.forward, context, forward, j.rows, j.columns);
  if (status == CK_OK) status = set_form(&j.backward, context, backward, j.columns, j.rows);
  if (status != CK_OK) return status;
  if (forward && backward && (forward->product != backward->product || forward == backward)) return CK_BAD_ARGUMENT;
  if (j.rows == 0 || j.columns == 0) return CK_OK;
  if (!j.w || (step->rule && !j.g)) return CK_BAD_ARGUMENT;

  const double count = (double)j.rows * (double)j.columns;
  ck_needs needs = {.work_ns = step->element_ns * count};
  if (forward || backward) {
    const kernel_set *set = &kernels[ck_first_allowed(variants, VARIANTS, context)];
    const ck_type type = ck_product_right((forward ? forward : backward)->product);
    j.element = ck_type_bytes(type);
    j.narrow = type == CK_BF16 ? set->to_bf16 : type == CK_F16 ? set->to_f16 : NULL;
    // What does not fit the cache is better not read into it before it is overwritten.
    const double bytes = count * (step->rule ? 32 : 8);
    j.stream = bytes > (double)ck_context_caches(context).l3 / 2 ? set->stream : NULL;
    needs.worker_bytes = STRIP_BYTES + (j.narrow ? TILE_ROWS * HALF_STRIDE : 0);
    needs.work_ns += 0.15 * count * (!!forward + !!backward);
  } else {
    flatten(&j);
  }
  j.row_blocks = ck_ceil_div(j.rows, TILE_ROWS);
  j.column_blocks = ck_ceil_div(j.columns, j.tile_columns);
  status = ck_submit(context, program, &j, sizeof j, needs);
  if (status == CK_OK) status = replicate(context, forward);
  return status == CK_OK ? replicate(context, backward) : status;
}
