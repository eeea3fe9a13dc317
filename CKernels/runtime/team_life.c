// How a team begins and ends, and what it says of itself.
#include "runtime/parallel.h"
#include "runtime/team_state.h"
#include "runtime/topology.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEFAULT_SPIN_NS = 50000, BARRIER_SPIN_NS = 200000 };

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
  ck_parallel(team->options.workers, ck_team_work, team);
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

// A rented part of a machine reports the whole last-level cache (two cores of 64 with 300 MB), but what it writes is
// soon driven out by its neighbours. No processor so far has more than 32 MB for each core.
enum { L3_OF_CORE = 32 << 20 };

static ck_caches caches_of(const ck_topology *topology) {
  ck_topology_info info = ck_topology_describe(topology);
  const size_t share = (size_t)L3_OF_CORE * (info.cores > 0 ? info.cores : 1);
  if (info.l3_bytes > share) info.l3_bytes = share;
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
  if (team != NULL && ck_team_retire(team)) release(team);
}

uint32_t ck_team_workers(const ck_team *team) { return team->workers; }

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
