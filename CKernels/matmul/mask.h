// Panels of B as bit masks: what is zero in the dense panel is one bit, what is not is kept behind the bits. Expanded a
// stretch at a time just before it is multiplied, so that the micro-kernels are those of dense panels.
//
// A panel is cut into chunks of CK_MASK_CHUNK bytes of the dense one, eight vectors; the last may be shorter, in whole
// vectors. A chunk is its mask, bit e mod 8 of byte e / 8 for its element e, then the elements whose bit is set, and
// the next chunk follows without a gap: memory is read in one straight line. Zero is what has no bit set: -0 is kept.
// (With chunks of 16 vectors the line is less straight, and reading takes a third longer at 80 %.)
#ifndef CK_MATMUL_MASK_H
#define CK_MATMUL_MASK_H
#include "matmul/types.h"

enum { CK_MASK_VECTOR = 64, CK_MASK_CHUNK = 8 * CK_MASK_VECTOR };
// Panels can be entered every so many dense bytes, which are whole units of every kernel.
enum { CK_MASK_SEEK = 4 * CK_MASK_CHUNK };
// What is read of the elements may reach this much past them.
enum { CK_MASK_SLACK = 64 };

// The chunks of `bytes` dense bytes at `from` -> to. lines: of 64 bytes that a chunk has, on average.
typedef void ck_mask_expand(char *to, const char *from, size_t bytes, size_t lines);
#define CK_MASK_EXPAND(name, body, element)                                                                            \
  static void name(char *to, const char *from, size_t bytes, size_t lines) { body(to, from, bytes, lines, element); }
typedef struct ck_mask_kernel {
  ck_mask_expand *expand[3]; // elements of 1, 2 and 4 bytes
} ck_mask_kernel;

#define CK_MASK(name, needs) extern const ck_mask_kernel ck_mask_##name;
#include "matmul/mask_variants.inc.h"
#undef CK_MASK

// The best that the instruction sets allow, and what it needs.
const ck_mask_kernel *ck_mask_best(ck_isa allowed, ck_isa *needs);

// At the start of a chunk: into L2 long before, and into L1 in time, each line about once. Without this compressed
// panels come from memory at 0.6 of what reading alone does, with the first alone at 0.75.
CK_INLINE void ck_mask_fetch(const char *chunk, size_t lines) {
#pragma clang loop unroll(disable)
  for (size_t i = 0; i < lines; i++) {
    __builtin_prefetch(chunk + 8192 + 64 * i, 0, 2);
    __builtin_prefetch(chunk + 3072 + 64 * i, 0, 3);
  }
}

static inline size_t ck_mask_bytes(size_t bytes, size_t element) { return bytes / element / 8; }
#endif
