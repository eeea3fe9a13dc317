// The team: a launcher thread that opens one parallel region and stays in it, as worker 0, until the team is destroyed.
// Between jobs its workers wait at a gate of ours, so how long they spin is decided here and not by the OpenMP library.
//
// Callers take turns, first in first out. The one whose turn it is publishes its steps; who finishes last passes the
// turn on: straight to the next caller's steps when there are any, so that a busy team never waits for a caller to wake
// up. A caller that gets its turn at once and is on the core of a worker does that worker's part itself, and the worker
// sleeps on: no core is handed over. Small work runs on the caller alone, as worker 0 of 1, while it holds the turn,
// and so does everything in a team of one worker, which has no thread.
#include "runtime/team.h"
#include "runtime/crew.h"
#include "runtime/floating.h"
#include "runtime/gate.h"
#include "runtime/parallel.h"
#include "runtime/topology.h"
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
  // Work shorter than this is not worth handing over. Measured on 2 cores of Ice Lake under KVM: a team that is awake
  // answers in about 2 us, one that sleeps in 20 to 40; on two workers the two ways are even near 5 and near 50 us.
  ALONE_NS = 6000,
  ALONE_WHEN_ASLEEP_NS = 50000,
  DEFAULT_SPIN_NS = 50000,
  BARRIER_SPIN_NS = 200000,
  REASON_BYTES = 96,
  SCRATCH_GRAIN = 1 << 16,
};

// A caller that only waits offers its core at once and again, so that no worker has to wait for it; but for a while it
// does not sleep. The worker that shares its core then passes it on directly, where waking it up from another core took
// 15 us. One that did a worker's part waits as workers do at a barrier.
static const ck_spin caller_spin = {0, 200000};

typedef struct arena {
  void *start;
  size_t bytes;
} arena;

// Which teams the calling thread is working for, innermost first: itself, or through a request that it or a worker
// waits for. A thread that waits for a team it works for would wait for itself; this is how it is noticed.
typedef struct frame {
  const ck_team *team;
  const struct frame *outer;
} frame;
static _Thread_local const frame *working;

enum { WAITING = 0, TURN = 1, DONE = 2 };
enum { NO_SEAT = UINT32_MAX };
typedef struct request {
  const ck_step *steps;
  size_t count;
  const frame *caller; // what the caller works for; the workers of this request work for it too
  ck_needs needs;
  bool alone;    // runs on the caller
  uint32_t seat; // of the worker whose part the caller does, or NO_SEAT
  ck_status status;
  ck_gate state;
  struct request *next;
} request;

typedef struct pin {
  ck_pinning outcome;
  char reason[REASON_BYTES];
} pin;

// Where a worker waits; its value counts the jobs that were published to it.
typedef struct seat {
  _Alignas(128) ck_gate job;
} seat;

struct ck_team {
  const ck_topology *topology;
  ck_team_options options;
  ck_caches caches;
  uint32_t workers;                // granted
  uint32_t *units, *cores, *nodes; // plan, one per worker asked for
  pin *pins;
  pthread_t launcher;
  bool has_launcher;
  ck_spin idle; // between jobs
  ck_gate started;
  _Atomic uint32_t starting;

  pthread_mutex_t mutex; // guards the next three
  bool taken;            // somebody has the turn
  request *first, *last;

  // These belong to whoever has the turn.
  arena *arenas; // one per worker
  arena shared;
  request *current;
  bool stop;

  seat *seats;                              // one per worker
  _Alignas(128) _Atomic uint64_t last_done; // when, by ck_now_ns
  _Atomic uint32_t unfinished;
  ck_crew crew;
};

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

static void work(void *argument, uint32_t index, uint32_t count) {
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

// MARK: life

// Signals are the host program's: its handlers never run on our threads, which inherit the launcher's mask. What a
// thread does to itself, and what profilers send, stays open.
static int start_launcher(ck_team *team, void *(*body)(void *)) {
  sigset_t blocked, before;
  sigfillset(&blocked);
  const int open[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS, SIGPROF};
  for (size_t i = 0; i < sizeof open / sizeof *open; ++i) sigdelset(&blocked, open[i]);
  pthread_sigmask(SIG_SETMASK, &blocked, &before);
  int error = pthread_create(&team->launcher, NULL, body, team);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return error;
}

static void *launch(void *argument) {
  ck_team *team = argument;
  ck_parallel(team->options.workers, work, team);
  return NULL;
}

static void release(ck_team *team) {
  if (team->arenas != NULL)
    for (uint32_t i = 0; i < team->options.workers; ++i) ck_pages_destroy(team->arenas[i].start, team->arenas[i].bytes);
  ck_pages_destroy(team->shared.start, team->shared.bytes);
  if (team->seats != NULL)
    for (uint32_t i = 0; i < team->options.workers; ++i) ck_gate_destroy(&team->seats[i].job);
  free(team->seats);
  ck_crew_destroy(&team->crew);
  ck_gate_destroy(&team->started);
  pthread_mutex_destroy(&team->mutex);
  free(team->arenas);
  free(team->pins);
  free(team->units);
  free(team->cores);
  free(team->nodes);
  free(team);
}

static ck_caches caches_of(const ck_topology *topology) {
  ck_topology_info info = ck_topology_describe(topology);
  return (ck_caches){
      .l1d = info.l1d_bytes != 0 ? info.l1d_bytes : (size_t)32 << 10,
      .l2 = info.l2_bytes != 0 ? info.l2_bytes : (size_t)1 << 20,
      .l3 = info.l3_bytes != 0 ? info.l3_bytes : (size_t)16 << 20,
  };
}

static bool make_plan(ck_team *team) {
  uint32_t asked = team->options.workers, first = team->options.first_core;
  uint32_t units = ck_topology_describe(team->topology).units;
  first %= units > 0 ? units : 1;
  uint32_t *plan = calloc((size_t)first + asked, 2 * sizeof *plan);
  if (plan == NULL) return false;
  ck_topology_plan(team->topology, first + asked, plan, plan + first + asked);
  memcpy(team->units, plan + first, asked * sizeof *plan);
  memcpy(team->nodes, plan + first + asked + first, asked * sizeof *plan);
  for (uint32_t i = 0; i < asked; ++i) team->cores[i] = ck_topology_core(team->topology, team->units[i]);
  free(plan);
  return true;
}

ck_status ck_team_create(const ck_topology *topology, ck_team_options options, ck_team **out) {
  *out = NULL;
  if (options.workers == 0) options.workers = ck_topology_default_workers(topology);
  if (options.workers > CK_MAX_WORKERS) return CK_BAD_ARGUMENT;
  ck_team *team = aligned_alloc(_Alignof(ck_team), ck_round_up(sizeof *team, _Alignof(ck_team)));
  if (team == NULL) return CK_NO_MEMORY;
  memset(team, 0, sizeof *team);
  team->topology = topology;
  team->options = options;
  team->caches = caches_of(topology);
  team->workers = 1;
  pthread_mutex_init(&team->mutex, NULL);
  ck_gate_init(&team->started);
  team->seats = aligned_alloc(_Alignof(seat), options.workers * sizeof *team->seats);
  for (uint32_t i = 0; team->seats != NULL && i < options.workers; ++i) ck_gate_init(&team->seats[i].job);
  team->units = calloc(options.workers, sizeof *team->units);
  team->cores = calloc(options.workers, sizeof *team->cores);
  team->nodes = calloc(options.workers, sizeof *team->nodes);
  team->pins = calloc(options.workers, sizeof *team->pins);
  team->arenas = calloc(options.workers, sizeof *team->arenas);
  // With a core for each worker, pausing answers soonest; without, it would hold up the worker it waits for.
  bool crowded = options.workers > ck_topology_default_workers(topology);
  ck_spin spin = {crowded ? 16 : 200, BARRIER_SPIN_NS};
  bool made = ck_crew_init(&team->crew, options.workers, team->nodes, spin);
  made = made && team->seats != NULL && team->units != NULL && team->cores != NULL && team->nodes != NULL &&
         team->pins != NULL && team->arenas != NULL;
  if (!made || !make_plan(team)) {
    release(team);
    return CK_NO_MEMORY;
  }
  // Between jobs the core is offered to others soon: the caller that is to bring the next job may need it.
  team->idle = (ck_spin){8, options.spin_ns != 0 ? options.spin_ns : DEFAULT_SPIN_NS};
  if (options.workers == 1) {
    snprintf(team->pins[0].reason, sizeof team->pins[0].reason, "runs on the callers");
  } else {
    if (start_launcher(team, launch) != 0) {
      release(team);
      return CK_NO_THREAD;
    }
    team->has_launcher = true;
    ck_gate_wait(&team->started, 0, (ck_spin){0, 0});
  }
  *out = team;
  return CK_OK;
}

void ck_team_destroy(ck_team *team) {
  if (team == NULL || is_working_for(team)) return;
  request last = {.alone = true}; // its turn comes when everything accepted before is done
  ck_gate_init(&last.state);
  if (!take_turn_or_queue(team, &last)) ck_gate_wait(&last.state, WAITING, (ck_spin){0, 0});
  ck_gate_destroy(&last.state);
  if (team->has_launcher) {
    team->stop = true;
    call_workers(team, NO_SEAT);
    pthread_join(team->launcher, NULL);
  }
  release(team);
}

uint32_t ck_team_workers(const ck_team *team) { return team->workers; }

uint32_t ck_team_queued(ck_team *team) {
  uint32_t count = 0;
  pthread_mutex_lock(&team->mutex);
  for (const request *r = team->first; r != NULL; r = r->next) ++count;
  pthread_mutex_unlock(&team->mutex);
  return count;
}

ck_caches ck_team_caches(const ck_team *team) { return team->caches; }
const ck_topology *ck_team_topology(const ck_team *team) { return team->topology; }
const uint32_t *ck_team_nodes(const ck_team *team) { return team->nodes; }

ck_pinning ck_team_pinning(const ck_team *team, uint32_t worker, char *reason, size_t capacity) {
  if (worker >= team->workers) {
    if (capacity > 0) snprintf(reason, capacity, "no such worker");
    return CK_PIN_SKIPPED;
  }
  if (capacity > 0) snprintf(reason, capacity, "%s", team->pins[worker].reason);
  return team->pins[worker].outcome;
}
