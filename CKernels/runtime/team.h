// The insides of a team, shared by team.c, context.c and list.c.
#ifndef CK_TEAM_H
#define CK_TEAM_H
#include "runtime/worker.h"

typedef struct ck_step {
  ck_program *program;
  const void *job;
  double work_ns; // as in ck_needs
} ck_step;

// Runs the steps in order, none before the one ahead of it is done, and returns when the last is. `needs` covers all of
// them.
ck_status ck_team_run(ck_team *team, const ck_step *steps, size_t count, ck_needs needs);
ck_caches ck_team_caches(const ck_team *team);
const ck_topology *ck_team_topology(const ck_team *team);
const uint32_t *ck_team_nodes(const ck_team *team); // of each worker, by the topology's plan

struct ck_context {
  ck_isa isa;
  ck_team *team;
  ck_list *list; // NULL: run at once
};
ck_status ck_list_append(ck_list *list, ck_program *program, const void *job, size_t job_bytes, ck_needs needs);

// Whether ck_memory_create gives a buffer of this size pages of its own: smaller ones cannot be placed.
bool ck_memory_has_pages(size_t bytes);
// Scratch: page-aligned, not zeroed by us (fresh pages are zero), so that the first worker to touch it places it.
void *ck_pages_create(size_t bytes);
void ck_pages_destroy(void *pages, size_t bytes);
#endif
