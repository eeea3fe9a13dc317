// What programs call: tasks, barriers, scratch.
#include "runtime/worker.h"
#include "runtime/crew.h"
#include <stdlib.h>
#include <string.h>

// In a list the workers are awake, so the price of sharing a step is a barrier or two.
enum { ALONE_IN_LIST_NS = 2000 };

uint32_t ck_worker_index(const ck_worker *worker) { return worker->index; }
uint32_t ck_worker_count(const ck_worker *worker) { return worker->count; }
uint32_t ck_worker_node(const ck_worker *worker) { return worker->node; }
void *ck_worker_scratch(ck_worker *worker) { return worker->scratch; }
void *ck_shared_scratch(ck_worker *worker) { return worker->shared; }

bool ck_crew_init(ck_crew *crew, uint32_t workers, const uint32_t *nodes, ck_spin spin) {
  crew->spin = spin;
  crew->nodes = nodes;
  atomic_init(&crew->task, 0);
  atomic_init(&crew->arrived, 0);
  ck_gate_init(&crew->phase);
  crew->cursors = aligned_alloc(_Alignof(ck_cursor), workers * sizeof(ck_cursor));
  if (crew->cursors != NULL) memset(crew->cursors, 0, workers * sizeof(ck_cursor));
  return crew->cursors != NULL;
}

void ck_crew_destroy(ck_crew *crew) {
  free(crew->cursors);
  ck_gate_destroy(&crew->phase);
}

void ck_crew_rewind(ck_crew *crew) { atomic_store_explicit(&crew->task, 0, memory_order_relaxed); }

void ck_barrier(ck_worker *worker) {
  if (worker->count == 1) return;
  ck_crew *crew = worker->crew;
  uint32_t phase = ck_gate_value(&crew->phase);
  if (atomic_fetch_add(&crew->arrived, 1) + 1 == worker->count) {
    // Everybody is here, so nobody is drawing tasks: the counters are ready for the next round.
    atomic_store_explicit(&crew->arrived, 0, memory_order_relaxed);
    ck_crew_rewind(crew);
    ck_gate_set(&crew->phase, ck_gate_next(phase));
  } else {
    ck_gate_wait(&crew->phase, phase, crew->spin);
  }
}

void ck_for(ck_worker *worker, size_t tasks, ck_body *body, const void *job) {
  if (worker->count == 1) {
    for (size_t task = 0; task < tasks; ++task) body(worker, job, task);
    return;
  }
  for (;;) {
    size_t task = atomic_fetch_add_explicit(&worker->crew->task, 1, memory_order_relaxed);
    if (task >= tasks) break;
    body(worker, job, task);
  }
  ck_barrier(worker);
}

// Takes parts of `owner` until none is left.
static void take_parts(ck_worker *worker, uint32_t owner, size_t parts, ck_body *body, const void *job) {
  size_t first = ck_first_part(parts, worker->count, owner);
  size_t count = ck_first_part(parts, worker->count, owner + 1) - first;
  _Atomic size_t *taken = &worker->crew->cursors[owner].taken[worker->turn];
  // Looking costs less than taking, when there is nothing left.
  while (atomic_load_explicit(taken, memory_order_relaxed) < count) {
    size_t part = atomic_fetch_add_explicit(taken, 1, memory_order_relaxed);
    if (part >= count) break;
    body(worker, job, first + part);
  }
}

void ck_for_parts(ck_worker *worker, size_t parts, ck_body *body, const void *job) {
  if (worker->count == 1) {
    for (size_t part = 0; part < parts; ++part) body(worker, job, part);
    return;
  }
  take_parts(worker, worker->index, parts, body, job);
  // Then what is left over: of neighbours on the same node first, whose memory is as near.
  for (int near = 1; near >= 0; --near)
    for (uint32_t i = 1; i < worker->count; ++i) {
      uint32_t owner = (worker->index + i) % worker->count;
      if ((worker->crew->nodes[owner] == worker->node) == near) take_parts(worker, owner, parts, body, job);
    }
  ck_barrier(worker);
  atomic_store_explicit(&worker->crew->cursors[worker->index].taken[worker->turn], 0, memory_order_relaxed);
  worker->turn ^= 1;
}

void ck_worker_run(ck_worker *worker, const ck_step *steps, size_t count) {
  bool ahead = false; // the first worker alone has run steps since the last barrier
  for (size_t i = 0; i < count; ++i) {
    bool alone = count > 1 && steps[i].work_ns > 0 && steps[i].work_ns < ALONE_IN_LIST_NS;
    if (!alone) {
      if (ahead) ck_barrier(worker);
      ahead = false;
      steps[i].program(worker, steps[i].job);
      continue;
    }
    // What was shared ended at a barrier, so that the first worker may go on; the others wait when they are needed.
    ahead = true;
    if (worker->index == 0) {
      ck_worker only = *worker;
      only.count = 1;
      steps[i].program(&only, steps[i].job);
    }
  }
}
