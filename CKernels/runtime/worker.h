// How an operation runs: every worker of the team calls the same function (one program, many data), which splits its
// work with ck_for. Internal to CKernels.
#ifndef CK_WORKER_H
#define CK_WORKER_H
#include "ck_runtime.h"

typedef struct ck_worker ck_worker;
// What each worker runs. `job` is the caller's argument block, shared and read-only.
typedef void ck_program(ck_worker *worker, const void *job);
typedef struct ck_needs {
  size_t worker_bytes; // scratch of each worker
  size_t shared_bytes; // scratch that all workers see
  double work_ns;      // estimate on one thread; small work runs on the calling thread alone. 0: unknown, uses the team
} ck_needs;

// Runs the program on the context's team, or notes it when the context belongs to a list (the job is copied either way
// the call is made, so it may live on the stack). Scratch is grown before anything starts: programs cannot fail.
// job_bytes is at most CK_JOB_BYTES.
enum { CK_JOB_BYTES = 1024 };
ck_status ck_submit(const ck_context *context, ck_program *program, const void *job, size_t job_bytes, ck_needs needs);

// Inside a program. Every worker must reach every ck_for and ck_barrier, in the same order, and the program ends with
// one of them: when one worker returns, all have done their work, and the next operation of a list begins.
// body(worker, job, task) for each task in 0 ..< tasks, in any order on any worker, then a barrier.
typedef void ck_body(ck_worker *worker, const void *job, size_t task);
void ck_for(ck_worker *worker, size_t tasks, ck_body *body, const void *job);
void ck_barrier(ck_worker *worker);
// The same with affinity: part p is first offered to worker p * count / parts, who thus reads the memory of its own
// node when the parts are those of a partitioned array (runtime/placed.h). Workers who are done take what others have
// left.
void ck_for_parts(ck_worker *worker, size_t parts, ck_body *body, const void *job);
// The first part of a worker: the least p with p * workers / parts >= worker; `parts` for worker == workers.
static inline size_t ck_first_part(size_t parts, uint32_t workers, uint32_t worker) {
  size_t rest = parts % workers; // in two terms, so that no product overflows
  return parts / workers * worker + (rest * worker + workers - 1) / workers;
}
uint32_t ck_worker_index(const ck_worker *worker);
uint32_t ck_worker_count(const ck_worker *worker);
// The NUMA node by the topology's plan, 0 ..< info.nodes; 0 for a run alone on a caller of a larger team.
uint32_t ck_worker_node(const ck_worker *worker);
void *ck_worker_scratch(ck_worker *worker); // 64-byte aligned, worker_bytes of the running job, contents undefined
void *ck_shared_scratch(ck_worker *worker); // 64-byte aligned, shared_bytes of the running job, contents undefined

typedef struct ck_caches {
  size_t l1d, l2, l3; // bytes, with sane defaults where unknown
} ck_caches;
ck_caches ck_context_caches(const ck_context *context);
uint32_t ck_context_workers(const ck_context *context);
bool ck_context_notes(const ck_context *context); // it belongs to a list

static inline size_t ck_min(size_t a, size_t b) { return a < b ? a : b; }
static inline size_t ck_max(size_t a, size_t b) { return a > b ? a : b; }
static inline size_t ck_ceil_div(size_t n, size_t d) { return (n + d - 1) / d; }
static inline size_t ck_round_up(size_t n, size_t to) { return (n + to - 1) / to * to; }
#endif
