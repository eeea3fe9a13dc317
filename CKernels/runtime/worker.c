// What programs call: tasks, barriers, scratch.
#include "runtime/worker.h"
#include "runtime/crew.h"

// In a list the workers are awake, so the price of sharing a step is a barrier or two.
enum { ALONE_IN_LIST_NS = 2000 };

uint32_t ck_worker_index(const ck_worker *worker) { return worker->index; }
uint32_t ck_worker_count(const ck_worker *worker) { return worker->count; }
void *ck_worker_scratch(ck_worker *worker) { return worker->scratch; }
void *ck_shared_scratch(ck_worker *worker) { return worker->shared; }

void ck_crew_init(ck_crew *crew, ck_spin spin) {
  crew->spin = spin;
  atomic_init(&crew->task, 0);
  atomic_init(&crew->arrived, 0);
  ck_gate_init(&crew->phase);
}

void ck_crew_destroy(ck_crew *crew) { ck_gate_destroy(&crew->phase); }

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

void ck_worker_run(ck_worker *worker, const ck_step *steps, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    if (i > 0) ck_barrier(worker);
    bool alone = count > 1 && steps[i].work_ns > 0 && steps[i].work_ns < ALONE_IN_LIST_NS;
    if (!alone) {
      steps[i].program(worker, steps[i].job);
    } else if (worker->index == 0) {
      ck_worker only = *worker;
      only.count = 1;
      steps[i].program(&only, steps[i].job);
    }
  }
}
