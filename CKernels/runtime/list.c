// Operations noted now and run together later, in one go through the team.
#include "runtime/team.h"
#include <stdlib.h>
#include <string.h>

struct ck_list {
  ck_context context; // what is passed to the operations to be noted
  ck_step *steps;     // steps[i].job points to a block of its own, of CK_JOB_BYTES
  size_t count, capacity;
  size_t blocks;     // steps that have their block: at least count, because clearing keeps the blocks
  ck_needs needs;    // of all steps: the largest scratch, the sum of the work
  bool unknown_work; // of some step
};

ck_status ck_list_create(const ck_context *base, ck_list **out) {
  *out = NULL;
  if (base->list != NULL) return CK_BAD_ARGUMENT;
  ck_list *list = calloc(1, sizeof *list);
  if (list == NULL) return CK_NO_MEMORY;
  list->context = *base;
  list->context.list = list;
  *out = list;
  return CK_OK;
}

void ck_list_clear(ck_list *list) {
  list->count = 0;
  list->needs = (ck_needs){0};
  list->unknown_work = false;
}

void ck_list_destroy(ck_list *list) {
  if (list == NULL) return;
  for (size_t i = 0; i < list->blocks; ++i) free((void *)list->steps[i].job);
  free(list->steps);
  free(list);
}

const ck_context *ck_list_context(ck_list *list) { return &list->context; }
size_t ck_list_count(const ck_list *list) { return list->count; }

ck_status ck_list_append(ck_list *list, ck_program *program, const void *job, size_t job_bytes, ck_needs needs) {
  if (list->count == list->capacity) {
    size_t capacity = list->capacity != 0 ? 2 * list->capacity : 16;
    ck_step *steps = realloc(list->steps, capacity * sizeof *steps);
    if (steps == NULL) return CK_NO_MEMORY;
    list->steps = steps;
    list->capacity = capacity;
  }
  if (list->count == list->blocks) {
    void *block = aligned_alloc(64, CK_JOB_BYTES);
    if (block == NULL) return CK_NO_MEMORY;
    list->steps[list->blocks++].job = block;
  }
  void *copy = (void *)list->steps[list->count].job;
  memcpy(copy, job, job_bytes);
  list->steps[list->count++] = (ck_step){program, copy, needs.work_ns};
  list->needs.worker_bytes = ck_max(list->needs.worker_bytes, needs.worker_bytes);
  list->needs.shared_bytes = ck_max(list->needs.shared_bytes, needs.shared_bytes);
  list->needs.work_ns += needs.work_ns;
  list->unknown_work |= !(needs.work_ns > 0);
  return CK_OK;
}

ck_status ck_run(ck_list *list) {
  ck_needs needs = list->needs;
  if (list->unknown_work) needs.work_ns = 0;
  return ck_team_run(list->context.team, list->steps, list->count, needs);
}
