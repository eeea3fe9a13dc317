// What the driver and the micro-kernels say to each other. A type on an instruction set is one file that fills a
// ck_matmul_kernel; the driver holds the loops and no instruction.
#ifndef CK_MATMUL_TYPES_H
#define CK_MATMUL_TYPES_H
#include "ck_matmul.h"
#include "runtime/isa.h"
#include "runtime/worker.h"

// A panel that is being expanded from bits and elements (matmul/mask.h) while others are multiplied.
typedef struct ck_mask_ahead {
  const char *from; // the next chunk
  char *to;
  size_t lines; // of 64 bytes that a chunk has, on average
  size_t left;  // vectors
  size_t share; // chunks to be expanded during the next tile
} ck_mask_ahead;

// One tile of sums: `rows` x `columns`, from a panel of A and one or more neighbouring panels of B. Sums have four
// bytes (f32, or s32 for exact products).
typedef struct ck_matmul_tile {
  const void *a;      // panel of A: for each K-group, `rows` x kgroup elements; then a_extra
  const void *b;      // panel of B: `units` units
  size_t b_stride;    // bytes from one panel of B to the next
  const void *extra;  // b_extra bytes of the first panel, those of the next b_stride further; NULL: already summed
  size_t units;       // of K
  const void *from;   // what the sums start from, or NULL for zero
  void *to;           // where they go; may be `from`
  size_t from_stride; // elements
  size_t to_stride;
  const void *next;       // where the next tile's results go, to prefetch
  size_t next_stride;     // bytes
  const char *ahead;      // what part of B will be needed soon, to prefetch into L2: from here on,
  size_t ahead_step;      // this many bytes for every CK_MATMUL_STEP units
  size_t lines;           // for `masked` kernels: of 64 bytes that a chunk has, on average
  ck_mask_ahead *expand;  // for `expanding` kernels
  uint32_t rows, columns; // columns of all panels; only the last panel may be partial
  const uint16_t *index;  // blocks (matmul/blocks.h): of the K-group that each unit of B multiplies
} ck_matmul_tile;

// An operand in memory: element (x, k) is at data + x * stride + k * k_stride (bytes), x a row of A or a column of B.
typedef struct ck_matmul_source {
  const char *data;
  size_t stride, k_stride;
  const float *scales;          // A, quantized on the way: of the panel's rows
  const uint16_t *group_scales; // B of 4 bits: f16 [x, k / group]
  const uint8_t *zero_points;   // u4: [x, k / group]
  size_t groups;                // k / group
} ck_matmul_source;

// Packs one panel: (x, k) for first <= x < first + count (at most mr or nr), from <= k < from + depth. Past the end of
// K the panel is filled with what adds nothing; missing columns of B likewise. extra: where b_extra or a_extra bytes
// go, or NULL when there are none.
typedef void ck_matmul_pack(void *panel, void *extra, const ck_matmul_source *source, size_t first, size_t count,
                            size_t from, size_t depth);

typedef struct ck_matmul_kernel {
  uint8_t mr, nr;                   // a panel of A has at most mr rows; one of B exactly nr columns
  uint8_t kgroup;                   // steps of K that stand side by side in a panel of A
  uint8_t a_bytes;                  // of one packed element of A
  uint8_t grain;                    // rows that cost as much as one: blocks and panels of A are multiples, 0 for 1
  uint16_t unit;                    // steps of K in a unit of B's panels, a multiple of kgroup
  uint16_t unit_bytes;              // of nr columns
  uint8_t chunk;                    // blocks: so many vectors are stored together, column by column; 0: each apart
  bool one_panel;                   // tiles take one panel of B only, even with few rows
  uint16_t b_extra;                 // bytes that follow a panel of B, such as column sums
  uint16_t a_extra;                 // bytes for each row and unit that follow a panel of A, such as sums over groups
  ck_type sums;                     // CK_F32 or CK_S32
  float rate;                       // multiply-adds per ns, roughly: decides what is too small for a team
  ck_matmul_pack *pack_a[CK_TYPES]; // by A's type in memory, NULL where there is none
  ck_matmul_pack *pack_b;
  float (*row_scale)(const float *row, size_t k); // for A in f32 that is quantized on the way
  void (*tile)(const ck_matmul_tile *tile);
  // Few rows against a panel in chunks of bits and elements, which tile->b points into (matmul/mask.h), or NULL.
  void (*masked)(const ck_matmul_tile *tile);
  // The same as tile, of dense panels, and meanwhile expands the share of tile->expand; or NULL.
  void (*expanding)(const ck_matmul_tile *tile);
  ck_isa masked_needs;                 // of both
  void (*enter)(void), (*leave)(void); // around a worker's tiles: to set up and give back its registers, or NULL
  // Panels that are smaller in memory than in arithmetic: for more than expand_rows rows, units are expanded once into
  // the panel that `dense` multiplies, with the same result; for fewer `tile` does so in registers, each time anew.
  // Both have the same nr and panels of A; mr is at most that of dense.
  void (*expand)(void *to, const void *panel, size_t units);
  uint8_t expand_rows;
  const struct ck_matmul_kernel *dense;
} ck_matmul_kernel;

// With few rows a tile takes two neighbouring panels of B, so that there are enough independent sums. More would be
// more streams from memory, which reads slower: on Zen 4 one or two run at 32 GB/s a core, four at 30, eight at 28.
static inline size_t ck_matmul_panels(const ck_matmul_kernel *kernel, size_t rows) {
  return rows <= 5 && rows * 2 <= kernel->mr && !kernel->one_panel ? 2 : 1;
}

static inline bool ck_matmul_expands(const ck_matmul_kernel *kernel, size_t rows) {
  return kernel->expand && rows > kernel->expand_rows;
}

// The packing of A may write this much past its panel.
enum { CK_MATMUL_SLACK = 64 };
// Kernels that prefetch do so once in this many units.
enum { CK_MATMUL_STEP = 4 };

// NULL when none fits; needs is set to the instruction sets of the one returned.
const ck_matmul_kernel *ck_matmul_best(ck_product product, ck_isa allowed, ck_isa *needs);

#define CK_INLINE static inline __attribute__((always_inline))
#endif
