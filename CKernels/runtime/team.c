// The team: a launcher thread that opens one parallel region and stays in it, as worker 0, until the team is destroyed.
// Between jobs its workers wait at a gate of ours, so how long they spin is decided here and not by the OpenMP library.
//
// Callers take turns, first in first out. The one whose turn it is publishes its steps; who finishes last passes the
// turn on: straight to the next caller's steps when there are any, so that a busy team never waits for a caller to wake
// up. A caller that gets its turn at once and is on the core of a worker does that worker's part itself, and the worker
// sleeps on: no core is handed over. Small work runs on the caller alone, as worker 0 of 1, while it holds the turn,
// and so does everything in a team of one worker, which has no thread.
#include "runtime/floating.h"
#include "runtime/team_state.h"
#include "runtime/topology.h"
#include <stdio.h>

enum {
  // Work shorter than this is not worth handing over. Measured on 2 cores of Ice Lake under KVM: a team that is awake
  // answers in about 2 us, one that sleeps in 20 to 40; on two workers the two ways are even near 5 and near 50 us.
  ALONE_NS = 6000,
  ALONE_WHEN_ASLEEP_NS = 50000,
  SCRATCH_GRAIN = 1 << 16,
};

// A caller that only waits offers its core at once and again, so that no worker has to wait for it; but for a while it
// does not sleep. The worker that shares its core then passes it on directly, where waking it up from another core took
// 15 us. One that did a worker's part waits as workers do at a barrier.
static const ck_spin caller_spin = {0, 200000};

static _Thread_local const frame *working;

static bool is_working_for(const ck_team *team) {
  for (const frame *f = working; f != NULL; f = f->outer)
    if (f->team == team) return true;
  return false;
}

// MARK: scratch, grown by whoever has the turn

static ck_status grow(arena *arena, size_t bytes) {
  if (bytes <= arena->bytes) return CK_OK;
  if (bytes > SIZE_MAX - SCRATCH_GRAIN) return CK_NO_MEMORY;
  bytes = ck_round_up(bytes, SCRATCH_GRAIN);
  void *start = ck_pages_create(bytes);
  if (start == NULL) return CK_NO_MEMORY;
  ck_pages_destroy(arena->start, arena->bytes);
  arena->start = start;
  arena->bytes = bytes;
  return CK_OK;
}

// The pages are reserved here and first touched, hence placed, by their worker.
static ck_status prepare(ck_team *team, const request *request) {
  ck_status status = grow(&team->shared, request->needs.shared_bytes);
  uint32_t count = request->alone ? 1 : team->workers;
  for (uint32_t i = 0; i < count && status == CK_OK; ++i) status = grow(&team->arenas[i], request->needs.worker_bytes);
  return status;
}

// MARK: turns

// As soon as the last one is called the request may end, and be gone.
static void call_workers(ck_team *team, uint32_t but) {
  for (uint32_t i = 0, count = team->workers; i < count; ++i)
    if (i != but) ck_gate_set(&team->seats[i].job, ck_gate_next(ck_gate_value(&team->seats[i].job)));
}

static void publish(ck_team *team, request *request) {
  team->current = request;
  atomic_store_explicit(&team->unfinished, team->workers, memory_order_relaxed);
  call_workers(team, request->seat);
}

static void pass_turn(ck_team *team) {
  for (;;) {
    pthread_mutex_lock(&team->mutex);
    request *next = team->first;
    if (next == NULL) {
      team->taken = false;
    } else {
      team->first = next->next;
      if (team->first == NULL) team->last = NULL;
    }
    pthread_mutex_unlock(&team->mutex);
    if (next == NULL) return;
    if (next->alone) {
      ck_gate_set(&next->state, TURN);
      return;
    }
    next->status = prepare(team, next);
    if (next->status == CK_OK) {
      publish(team, next);
      return;
    }
    ck_gate_set(&next->state, DONE);
  }
}

// True: the caller has the turn. False: it waits in line.
static bool take_turn_or_queue(ck_team *team, request *request) {
  pthread_mutex_lock(&team->mutex);
  bool mine = !team->taken;
  if (mine) {
    team->taken = true;
  } else {
    if (team->last == NULL)
      team->first = request;
    else
      team->last->next = request;
    team->last = request;
  }
  pthread_mutex_unlock(&team->mutex);
  return mine;
}

// MARK: running steps

// A worker has done its part of the request. The last one out: nobody draws tasks any more, and the request lives until
// its state says DONE.
static void finish(ck_team *team, request *request) {
  if (atomic_fetch_sub(&team->unfinished, 1) > 1) return;
  ck_crew_rewind(&team->crew);
  atomic_store_explicit(&team->last_done, ck_now_ns(), memory_order_relaxed);
  request->status = CK_OK;
  pass_turn(team);
  ck_gate_set(&request->state, DONE);
}

static ck_worker worker_at(ck_team *team, uint32_t index) {
  return (ck_worker){
      .index = index,
      .count = team->workers,
      .node = team->nodes[index],
      .crew = &team->crew,
      .scratch = team->arenas[index].start,
      .shared = team->shared.start,
  };
}

// The steps as this worker, on the calling thread.
static void run_here(ck_team *team, ck_worker worker, const request *request) {
  frame here = {team, working};
  working = &here;
  ck_floating floating = ck_floating_enter();
  ck_worker_run(&worker, request->steps, request->count);
  ck_floating_leave(floating);
  working = here.outer;
}

static void run_alone(ck_team *team, const request *request) {
  ck_worker worker = worker_at(team, 0);
  worker.count = 1;
  if (team->workers > 1) worker.node = 0; // the caller may be anywhere
  run_here(team, worker, request);
}

static void pin_self(ck_team *team, uint32_t index) {
  pin *pin = &team->pins[index];
  if (!team->options.pin) {
    pin->outcome = CK_PIN_SKIPPED;
    snprintf(pin->reason, sizeof pin->reason, "not asked for");
  } else if (ck_topology_pin(team->topology, team->units[index], pin->reason, sizeof pin->reason)) {
    pin->outcome = CK_PINNED;
    snprintf(pin->reason, sizeof pin->reason, "hardware thread %u", team->units[index]);
  } else {
    pin->outcome = CK_PIN_FAILED;
  }
}

void ck_team_work(void *argument, uint32_t index, uint32_t count) {
  ck_team *team = argument;
  if (index == 0) team->workers = count;
  // Threads go back to the OpenMP library's pool when the team ends: they leave as they came.
  void *binding = team->options.pin ? ck_topology_save_binding(team->topology) : NULL;
  pin_self(team, index);
  ck_floating_enter();
  frame here = {team, NULL};
  working = &here;
  uint32_t job = ck_gate_value(&team->seats[index].job);
  if (atomic_fetch_add(&team->starting, 1) + 1 == count) ck_gate_set(&team->started, 1);
  for (;;) {
    job = ck_gate_wait(&team->seats[index].job, job, team->idle);
    if (team->stop) break;
    request *request = team->current;
    ck_worker worker = worker_at(team, index);
    here.outer = request->caller;
    ck_worker_run(&worker, request->steps, request->count);
    here.outer = NULL; // the caller's frames end with the request
    finish(team, request);
  }
  working = NULL;
  ck_topology_restore_binding(team->topology, binding);
}

static bool is_small(ck_team *team, double work_ns) {
  if (!(work_ns > 0) || work_ns >= ALONE_WHEN_ASLEEP_NS) return false;
  if (work_ns < ALONE_NS) return true;
  return ck_now_ns() - atomic_load_explicit(&team->last_done, memory_order_relaxed) > team->idle.yield_ns;
}

// The worker whose core the calling thread is on. It may be moved at any time, which costs speed and nothing else.
// Workers that are not bound go where the caller is not.
static uint32_t seat_here(const ck_team *team) {
  if (team->pins[0].outcome != CK_PINNED) return 0;
  const uint32_t core = ck_topology_core_here(team->topology);
  for (uint32_t i = 0; i < team->workers && core != CK_NO_CORE; ++i)
    if (team->cores[i] == core) return i;
  return NO_SEAT;
}

ck_status ck_team_run(ck_team *team, const ck_step *steps, size_t count, ck_needs needs) {
  if (is_working_for(team)) return CK_BAD_ARGUMENT;
  if (count == 0) return CK_OK;
  atomic_fetch_add_explicit(&team->regions, 1, memory_order_relaxed); // at the end the team may be gone
  request request = {.steps = steps, .count = count, .caller = working, .seat = NO_SEAT, .needs = needs};
  request.alone = !team->has_launcher || is_small(team, needs.work_ns);
  ck_gate_init(&request.state);
  bool has_turn = take_turn_or_queue(team, &request);
  if (!has_turn) has_turn = ck_gate_wait(&request.state, WAITING, (ck_spin){0, 0}) == TURN;
  // Here either the turn is ours, or the work was done by the team on behalf of the queue.
  if (has_turn) {
    request.status = prepare(team, &request);
    if (request.status == CK_OK && !request.alone) {
      const uint32_t seat = request.seat = seat_here(team);
      const ck_spin spin = seat != NO_SEAT ? team->crew.spin : caller_spin;
      publish(team, &request);
      if (seat != NO_SEAT) {
        run_here(team, worker_at(team, seat), &request);
        finish(team, &request);
      }
      ck_gate_wait(&request.state, WAITING, spin); // when all have finished, the team may be gone
    } else {
      if (request.status == CK_OK) run_alone(team, &request);
      pass_turn(team);
    }
  }
  ck_gate_destroy(&request.state);
  return request.status;
}

bool ck_team_retire(ck_team *team) {
  if (is_working_for(team)) return false;
  request last = {.alone = true}; // its turn comes when everything accepted before is done
  ck_gate_init(&last.state);
  if (!take_turn_or_queue(team, &last)) ck_gate_wait(&last.state, WAITING, (ck_spin){0, 0});
  ck_gate_destroy(&last.state);
  if (team->has_launcher) {
    team->stop = true;
    call_workers(team, NO_SEAT);
    pthread_join(team->launcher, NULL);
  }
  return true;
}

uint64_t ck_team_regions(const ck_team *team) { return atomic_load_explicit(&team->regions, memory_order_relaxed); }

uint32_t ck_team_queued(ck_team *team) {
  uint32_t count = 0;
  pthread_mutex_lock(&team->mutex);
  for (const request *r = team->first; r != NULL; r = r->next) ++count;
  pthread_mutex_unlock(&team->mutex);
  return count;
}
