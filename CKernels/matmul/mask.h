// Panels of B as bit masks: what is zero in the dense panel is one bit, what is not is kept behind the bits. Expanded a
// stretch at a time just before it is multiplied, so that the micro-kernels are those of dense panels.
//
// A panel is cut into chunks of CK_MASK_CHUNK bytes of the dense one; the last may be shorter, in whole vectors of 64
// bytes. A chunk is its mask, bit e mod 8 of byte e / 8 for its element e, then the elements whose bit is set, and the
// next chunk follows without a gap: memory is read in one straight line. Zero is what has no bit set: -0 is kept.
#ifndef CK_MATMUL_MASK_H
#define CK_MATMUL_MASK_H
#include "matmul/types.h"

enum { CK_MASK_CHUNK = 2048, CK_MASK_VECTOR = 64 }; // whole units of every kernel
// What is read of the elements may reach this much past them.
enum { CK_MASK_SLACK = 64 };

// One chunk of `bytes` dense bytes at `from` -> to; returns where the chunk ends.
typedef const char *ck_mask_expand(char *to, const char *from, size_t bytes);
typedef struct ck_mask_kernel {
  ck_mask_expand *expand[3]; // elements of 1, 2 and 4 bytes
} ck_mask_kernel;

#define CK_MASK(name, needs) extern const ck_mask_kernel ck_mask_##name;
#include "matmul/mask_variants.inc.h"
#undef CK_MASK

// The best that the instruction sets allow, and what it needs.
const ck_mask_kernel *ck_mask_best(ck_isa allowed, ck_isa *needs);

// Elements come from memory in one line, but at a pace that the hardware's own prefetching takes for too little:
// without this they come at 0.6 of what reading alone does.
CK_INLINE void ck_mask_fetch(const char *values) {
  __builtin_prefetch(values + 4096, 0, 3);
  __builtin_prefetch(values + 16384, 0, 2);
}

static inline size_t ck_mask_bytes(size_t bytes, size_t element) { return bytes / element / 8; }
#endif
