// What the driver and the micro-kernels say to each other. A type on an instruction set is one file that fills a
// ck_matmul_kernel; the driver holds the loops and no instruction.
#ifndef CK_MATMUL_TYPES_H
#define CK_MATMUL_TYPES_H
#include "ck_matmul.h"
#include "runtime/isa.h"
#include "runtime/worker.h"

typedef enum ck_matmul_type : uint8_t { CK_MATMUL_F32 = 0, CK_MATMUL_S8, CK_MATMUL_TYPES } ck_matmul_type;

// One tile of C: `rows` x `columns`, from a panel of A and one or more neighbouring panels of B.
// Elements of C have four bytes; between blocks of K they hold the type's accumulator (s32 for s8), whatever the
// epilogue finally makes of them.
typedef struct ck_matmul_tile {
  const void *a;   // panel of A: for each group of K, `rows` x kgroup elements
  const void *b;   // panel of B: for each group of K, nr x kgroup elements, then b_extra bytes
  size_t b_stride; // bytes from one panel of B to the next
  size_t groups;   // of K
  void *c;
  size_t c_stride;                       // elements
  const void *next;                      // the next tile of C, to prefetch
  const char *ahead;                     // what part of B will be needed soon, to prefetch into L2: from here on,
  size_t ahead_step;                     // this many bytes for every CK_MATMUL_STEP groups
  uint32_t rows, columns;                // columns of all panels; only the last panel may be partial
  bool first, last;                      // first: sums start from 0, not from C. last: the epilogue follows
  const float *bias;                     // epilogue: of this tile's first column, or NULL
  const float *row_scale, *column_scale; // dequantize when row_scale is not NULL
} ck_matmul_tile;

// Packs one panel. Element (x, k) is at source + x * stride + k * k_stride (bytes), x < count <= mr or nr, k < depth.
// Past the end of K the panel is filled with what adds nothing; missing columns of B likewise.
typedef void ck_matmul_pack(void *panel, const void *source, size_t stride, size_t k_stride, size_t count,
                            size_t depth);

typedef struct ck_matmul_kernel {
  uint8_t element;          // bytes of an element of A and B in memory
  uint8_t mr, nr, kgroup;   // a panel of A has at most mr rows; one of B exactly nr columns
  uint8_t a_bytes, b_bytes; // of one packed element
  uint16_t b_extra;         // bytes that follow a panel of B, such as column sums
  float rate;               // multiply-adds per ns, roughly: decides what is too small for a team
  ck_matmul_pack *pack_a, *pack_b;
  void (*tile)(const ck_matmul_tile *tile);
} ck_matmul_kernel;

// With few rows a tile takes several panels of B, so that there are enough independent sums: the largest power of two
// that keeps rows x panels within mr.
static inline size_t ck_matmul_panels(size_t mr, size_t rows) {
  size_t panels = 1;
  while (panels * 2 * rows <= mr) panels *= 2;
  return panels;
}

// The packing of A may write this much past its panel.
enum { CK_MATMUL_SLACK = 64 };
// Kernels that prefetch do so once in this many groups of K.
enum { CK_MATMUL_STEP = 4 };

// NULL when none fits; needs is set to the instruction sets of the one returned.
const ck_matmul_kernel *ck_matmul_best(ck_matmul_type type, ck_isa allowed, ck_isa *needs);

#define CK_INLINE static inline __attribute__((always_inline))
#endif
