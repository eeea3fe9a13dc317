// Checks and fills what finishes the tiles of a product, and chooses a width.
#include "matmul/epilogue.h"
#include "vector/widths.h"

// A part of a tile of sums, and which elements of it dropout keeps.
enum {
  FINISH_BLOCKS = 256, // blocks of eight elements whose fate is drawn at a time
  FINISH_SLACK = 16,   // the last vector of them may go beyond
  FINISH_VECTORS = 32, // that go through the stages together
};
typedef struct finish_mask {
  uint16_t first[FINISH_BLOCKS];              // row i's bits start at this one; 1: kept
  uint8_t bits[FINISH_BLOCKS + FINISH_SLACK]; // of one block each
} finish_mask;
typedef struct finish_part {
  const ck_finish *finish;
  const finish_mask *mask; // or NULL
  const float *sums, *row_scales;
  size_t stride, row_step; // 0: all rows have the scale *row_scales
  size_t row, rows, column, columns;
} finish_part;

static const float no_scale = 1;

// Functions whose second operand is in memory.
static inline bool takes_operand(ck_epilogue_function function) { return function >= CK_EPILOGUE_GELU_TANH_GRADIENT; }
static inline bool is_float(ck_type type) { return type == CK_F32 || type == CK_BF16 || type == CK_F16; }

#define CK_BODY "matmul/epilogue.inc.h"
#include "runtime/each_width.inc.h"

static const ck_variant variants[] = {CK_EACH_WIDTH(CK_WIDTH_VARIANT)};
enum { VARIANTS = sizeof variants / sizeof *variants };
static ck_finish_tile *const tiles[] = {
#define X(width) finish_tile_##width,
    CK_EACH_WIDTH(X)
#undef X
};

ck_finish_tile *ck_finish_best(const ck_context *context) {
  return tiles[ck_first_allowed(variants, VARIANTS, context)];
}

// Zero points may lie outside of s8, but not so far that f32 loses whole numbers.
enum { FARTHEST_ZERO = 1 << 20 };

ck_status ck_finish_prepare(ck_finish *finish, const ck_epilogue *epilogue, void *c, ck_type type, ck_type sums,
                            size_t n) {
  ck_epilogue e = epilogue ? *epilogue : (ck_epilogue){0};
  if (!is_float(type) && type != CK_S8) return CK_BAD_ARGUMENT;
  if (sums != CK_F32 && sums != CK_S32) return CK_BAD_ARGUMENT;
  if (!is_float(e.operand_type)) return CK_BAD_ARGUMENT;
  if (e.function < CK_EPILOGUE_NONE || e.function >= CK_EPILOGUE_FUNCTIONS) return CK_BAD_ARGUMENT;
  if (takes_operand(e.function) && !e.operand) return CK_BAD_ARGUMENT;
  if (type == CK_S8) {
    if (!(e.result_scale > 0 && e.result_scale < __builtin_inff())) return CK_BAD_ARGUMENT;
    if (e.result_zero < -FARTHEST_ZERO || e.result_zero > FARTHEST_ZERO) return CK_BAD_ARGUMENT;
  }
  // As ck_dropout.
  if (!(e.dropout >= 0 && e.dropout < 1)) return CK_BAD_ARGUMENT;
  uint32_t threshold = (uint32_t)(65536 * (double)e.dropout + 0.5);
  if (threshold > 65535) return CK_BAD_ARGUMENT;
  *finish = (ck_finish){
      .epilogue = e,
      .c = c,
      .type = type,
      .sums = sums,
      .n = n,
      .philox = ck_philox_schedule(e.seed, e.stream),
      .threshold = (uint16_t)threshold,
      .kept_scale = (float)(65536.0 / (65536 - threshold)),
  };
  return CK_OK;
}
