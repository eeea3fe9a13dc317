// What a team is made of: for team.c, where its callers and workers meet, and team_life.c, which makes and ends it.
#ifndef CK_RUNTIME_TEAM_STATE_H
#define CK_RUNTIME_TEAM_STATE_H
#include "runtime/crew.h"
#include "runtime/gate.h"
#include "runtime/team.h"
#include <pthread.h>

enum { REASON_BYTES = 96 };

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
  _Atomic uint64_t regions;                 // requests so far
  _Atomic uint32_t unfinished;
  ck_crew crew;
};

// What worker `index` of `count` does from the beginning of a team to its end.
void ck_team_work(void *team, uint32_t index, uint32_t count);
// Waits for all that was accepted, and for the workers to end. False, with nothing done, for a thread that works for
// it.
bool ck_team_retire(ck_team *team);
#endif
