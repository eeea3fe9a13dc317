// What the workers of one team share while they run a program: the barrier and the counter that hands out tasks.
#ifndef CK_CREW_H
#define CK_CREW_H
#include "runtime/gate.h"
#include "runtime/team.h"

typedef struct ck_crew {
  ck_spin spin; // at barriers
  _Alignas(128) _Atomic size_t task;
  _Alignas(128) _Atomic uint32_t arrived;
  _Alignas(128) ck_gate phase; // its value counts the barriers passed
} ck_crew;

struct ck_worker {
  uint32_t index, count;
  ck_crew *crew; // unused when count is 1
  void *scratch, *shared;
};

void ck_crew_init(ck_crew *crew, ck_spin spin);
void ck_crew_destroy(ck_crew *crew);
// Hands out tasks from 0 again. Called while nobody draws any.
void ck_crew_rewind(ck_crew *crew);
// The worker's part of the steps.
void ck_worker_run(ck_worker *worker, const ck_step *steps, size_t count);
#endif
