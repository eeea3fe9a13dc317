// What the machine can do at most: arithmetic from registers alone, and memory traffic by pattern. The benchmark
// measures these between its repetitions and expresses every kernel as a fraction of them.
#ifndef CK_PROBE_H
#define CK_PROBE_H
#include "ck_runtime.h"

typedef enum ck_probe_type : int32_t { CK_PROBE_F32 = 0, CK_PROBE_S8, CK_PROBE_BF16 } ck_probe_type;
typedef enum ck_probe_pattern : int32_t {
  CK_PROBE_READ = 0,        // sum of a
  CK_PROBE_WRITE,           // a = constant, through the cache
  CK_PROBE_STREAMING_WRITE, // a = constant, around the cache
  CK_PROBE_COPY,            // b = a
  CK_PROBE_STREAMING_COPY,  // b = a, around the cache
  CK_PROBE_UPDATE,          // a = a * constant, in place
  CK_PROBE_OPTIMIZER,       // reads a, b, c, d; writes b, c, d: the traffic of AdamW
} ck_probe_pattern;

// The arithmetic loops that this build has, best first; more than one type may stand under one instruction set.
typedef struct ck_probe_compute_variant {
  ck_variant variant;
  ck_probe_type type;
} ck_probe_compute_variant;
const ck_probe_compute_variant *ck_probe_compute_variants(size_t *count);

// Every worker runs `iterations` rounds of independent multiply-adds that never leave the registers.
// *operations: multiplications plus additions done by all workers together. CK_NO_KERNEL when the type has no loop
// within the context's instruction sets.
ck_status ck_probe_compute(const ck_context *context, ck_probe_type type, uint64_t iterations, double *operations);

// One pass of `pattern` over buffers of `count` floats each, split over all workers. READ, WRITE and UPDATE use a;
// COPY a and b; OPTIMIZER all four. sink receives one float per worker (at least ck_team_workers of them).
ck_status ck_probe_bandwidth(const ck_context *context, ck_probe_pattern pattern, size_t count, float *a, float *b,
                             float *c, float *d, float *sink);
// Bytes that one pass moves, in the user's view: what is read plus what is written.
size_t ck_probe_bytes(ck_probe_pattern pattern, size_t count);
#endif
