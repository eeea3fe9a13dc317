// What the workers of one team share while they run a program: the barrier and the counters that hand out tasks and
// parts.
#ifndef CK_CREW_H
#define CK_CREW_H
#include "runtime/gate.h"
#include "runtime/team.h"

// How many of a worker's own parts have been taken, by anybody. Two of them take turns: ck_for_parts uses one, and when
// its barrier is passed the owner alone sets it back to 0, while the next ck_for_parts already uses the other. The one
// set back is used again only after one more barrier, which orders the two; the end of a request orders them too.
typedef struct ck_cursor {
  _Alignas(128) _Atomic size_t taken[2];
} ck_cursor;

typedef struct ck_crew {
  ck_spin spin;          // at barriers
  ck_cursor *cursors;    // one per worker
  const uint32_t *nodes; // of each worker
  _Alignas(128) _Atomic size_t task;
  _Alignas(128) _Atomic uint32_t arrived;
  _Alignas(128) ck_gate phase; // its value counts the barriers passed
} ck_crew;

struct ck_worker {
  uint32_t index, count, node;
  uint32_t turn; // which of the cursors the next ck_for_parts uses: the same for all workers
  ck_crew *crew; // unused when count is 1
  void *scratch, *shared;
};

// False: no memory; ck_crew_destroy is called all the same. `nodes` must outlive the crew.
bool ck_crew_init(ck_crew *crew, uint32_t workers, const uint32_t *nodes, ck_spin spin);
void ck_crew_destroy(ck_crew *crew);
// Hands out tasks from 0 again. Called while nobody draws any.
void ck_crew_rewind(ck_crew *crew);
// The worker's part of the steps.
void ck_worker_run(ck_worker *worker, const ck_step *steps, size_t count);
#endif
