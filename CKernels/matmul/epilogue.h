// What happens to a tile of sums on its way into C. One body serves every type of product: the micro-kernels leave
// their sums in a buffer that stays in the nearest caches, and know nothing of it.
#ifndef CK_MATMUL_EPILOGUE_H
#define CK_MATMUL_EPILOGUE_H
#include "ck_matmul.h"
#include "random/philox.h"

typedef struct ck_finish {
  ck_epilogue epilogue; // checked; column_scales are B's where it had none
  void *c;
  ck_type type, sums; // of C, and of the sums: CK_F32 or CK_S32
  size_t n;           // columns of C
  ck_philox philox;   // of the dropout's seed and stream
  uint16_t threshold; // 0: no dropout
  float kept_scale;
} ck_finish;

// A tile of sums, `rows` x `columns`, whose first element is element (row, column) of C. sums is 64-byte aligned and
// may be overwritten, all `stride` elements of a row; stride is a multiple of 4, and 16 elements more than the last row
// may be read. row_scales: of its first row, or NULL.
typedef void ck_finish_tile(const ck_finish *finish, float *sums, size_t stride, const float *row_scales, size_t row,
                            size_t rows, size_t column, size_t columns);

// CK_BAD_ARGUMENT for what ck_matmul.h does not allow.
ck_status ck_finish_prepare(ck_finish *finish, const ck_epilogue *epilogue, void *c, ck_type type, ck_type sums,
                            size_t n);
ck_finish_tile *ck_finish_best(const ck_context *context);
#endif
