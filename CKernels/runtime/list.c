// Operations noted now and run together later, in one go through the team.
#include "runtime/team.h"
#include <stdlib.h>
#include <string.h>
#include <time.h>

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

// A step between two others, for one worker alone: it looks at the clock.
static void stamp(ck_worker *worker, const void *job) {
  uint64_t *const *slot = job;
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  **slot = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

ck_status ck_run_timed(ck_list *list, uint64_t *nanoseconds) {
  const size_t count = list->count, all = 2 * count + 1;
  ck_step *steps = malloc(all * sizeof *steps);
  uint64_t *stamps = malloc((count + 1) * sizeof *stamps), **slots = malloc((count + 1) * sizeof *slots);
  ck_status status = CK_NO_MEMORY;
  if (steps != NULL && stamps != NULL && slots != NULL) {
    for (size_t i = 0; i <= count; ++i) {
      slots[i] = &stamps[i];
      steps[2 * i] = (ck_step){stamp, &slots[i], 1};
      if (i < count) steps[2 * i + 1] = list->steps[i];
    }
    ck_needs needs = list->needs;
    needs.work_ns = 0; // as a team, like the list that is being measured
    status = ck_team_run(list->context.team, steps, all, needs);
    for (size_t i = 0; i < count && status == CK_OK; ++i) nanoseconds[i] = stamps[i + 1] - stamps[i];
  }
  free(steps);
  free(stamps);
  free(slots);
  return status;
}
