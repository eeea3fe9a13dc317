// ck_for_parts: every part once, first offered to its own worker, for any number of workers and parts of any length.
#include "runtime/worker.h"
#include "tests/check.h"
#include "runtime/gate.h"
#include <stdatomic.h>
#include <unistd.h>

enum { LOOPS = 40, MOST_PARTS = 70 };
typedef struct parts_job {
  size_t parts;            // of a loop at most
  _Atomic uint32_t *runs;  // of each part of each loop
  _Atomic uint32_t *tasks; // of ck_for in between
  _Atomic uint32_t *early; // parts of a loop that began before the one before was over
  uint32_t uneven;         // which worker's parts take long; UINT32_MAX: nobody's
  size_t loop;
} parts_job;

static void spin_for(uint64_t ns) {
  for (uint64_t start = ck_now_ns(); ck_now_ns() - start < ns;) {
  }
}

// More and fewer by turns: a counter that still stands where the loop before left it would hand out parts of this one.
static size_t parts_of(const parts_job *job, size_t loop) { return job->parts * (loop % 4 + 1) / 4; }

static void run_part(ck_worker *worker, const void *opaque, size_t part) {
  const parts_job *job = opaque;
  size_t at = job->loop * MOST_PARTS + part;
  atomic_fetch_add(&job->runs[at], 1);
  if (job->loop > 0)
    for (size_t i = 0; i < parts_of(job, job->loop - 1); ++i)
      if (atomic_load(&job->runs[at - part - MOST_PARTS + i]) != 1) atomic_fetch_add(job->early, 1);
  if (part * ck_worker_count(worker) / parts_of(job, job->loop) == job->uneven) spin_for(20000);
}
static void run_task(ck_worker *worker, const void *opaque, size_t task) {
  atomic_fetch_add(&((const parts_job *)opaque)->tasks[task], 1);
}
static void run_loops(ck_worker *worker, const void *opaque) {
  parts_job job = *(const parts_job *)opaque;
  for (job.loop = 0; job.loop < LOOPS; ++job.loop) {
    ck_for_parts(worker, parts_of(&job, job.loop), run_part, &job);
    // Any other use of the team's counters in between changes nothing.
    if (job.loop % 3 == 1) ck_for(worker, MOST_PARTS, run_task, &job);
    if (job.loop % 5 == 2) ck_barrier(worker);
  }
}

static void check_loops(const ck_context *context, size_t parts, uint32_t uneven, double work_ns) {
  enum { ALL = LOOPS * MOST_PARTS };
  _Atomic uint32_t runs[ALL] = {0}, tasks[MOST_PARTS] = {0}, early = 0;
  parts_job job = {parts, runs, tasks, &early, uneven, 0};
  CHECK(ck_submit(context, run_loops, &job, sizeof job, (ck_needs){.work_ns = work_ns}) == CK_OK);
  uint32_t wrong = 0, others = 0;
  for (size_t i = 0; i < ALL; ++i) wrong += runs[i] != (i % MOST_PARTS < parts_of(&job, i / MOST_PARTS));
  for (size_t i = 0; i < MOST_PARTS; ++i) others += tasks[i] != LOOPS / 3;
  CHECK(wrong == 0);
  CHECK(others == 0);
  CHECK(early == 0);
}

// Every worker waits in its first part until all of them are in one: so each has taken its own first part.
typedef struct meeting {
  size_t parts;
  _Atomic uint32_t *present, *strangers;
} meeting;
static void meet(ck_worker *worker, const void *opaque, size_t part) {
  const meeting *job = opaque;
  uint32_t owner = 0;
  while (ck_first_part(job->parts, ck_worker_count(worker), owner + 1) <= part) ++owner;
  if (part != ck_first_part(job->parts, ck_worker_count(worker), owner)) return;
  if (owner != ck_worker_index(worker)) atomic_fetch_add(job->strangers, 1);
  atomic_fetch_add(job->present, 1);
  while (atomic_load(job->present) < ck_worker_count(worker)) usleep(10);
}
static void meet_all(ck_worker *worker, const void *opaque) {
  ck_for_parts(worker, ((const meeting *)opaque)->parts, meet, opaque);
}

// The first worker stays in its first part until all other parts are done: the others must take what it has left.
typedef struct slow_job {
  size_t parts;
  _Atomic uint32_t *done;
} slow_job;
static void slow_part(ck_worker *worker, const void *opaque, size_t part) {
  const slow_job *job = opaque;
  if (part == 0)
    while (atomic_load(job->done) < job->parts - 1) usleep(10);
  atomic_fetch_add(job->done, 1);
}
static void slow_all(ck_worker *worker, const void *opaque) {
  ck_for_parts(worker, ((const slow_job *)opaque)->parts, slow_part, opaque);
}

static void check_first_parts(void) {
  for (uint32_t workers = 1; workers <= 9; ++workers)
    for (size_t parts = 0; parts <= 40; ++parts) {
      CHECK(ck_first_part(parts, workers, 0) == 0 && ck_first_part(parts, workers, workers) == parts);
      for (size_t part = 0; part < parts; ++part) {
        uint32_t owner = (uint32_t)(part * workers / parts);
        CHECK(ck_first_part(parts, workers, owner) <= part && part < ck_first_part(parts, workers, owner + 1));
      }
    }
  CHECK(ck_first_part(SIZE_MAX, CK_MAX_WORKERS, CK_MAX_WORKERS) == SIZE_MAX);
}

typedef struct empty_job {
  bool parts;
} empty_job;
static void no_work(ck_worker *worker, const void *job, size_t part) {}
static void many_loops(ck_worker *worker, const void *opaque) {
  for (int i = 0; i < 1000; ++i)
    if (((const empty_job *)opaque)->parts)
      ck_for_parts(worker, 16, no_work, NULL);
    else
      ck_for(worker, 16, no_work, NULL);
}
static double loop_us(const ck_context *context, bool parts) {
  uint64_t best = UINT64_MAX;
  for (int round = 0; round < 5; ++round) {
    empty_job job = {parts};
    uint64_t start = ck_now_ns();
    ck_submit(context, many_loops, &job, sizeof job, (ck_needs){0});
    best = ck_min(best, ck_now_ns() - start);
  }
  return (double)best * 1e-6;
}

void check_parts(const ck_topology *topology) {
  check_first_parts();
  for (uint32_t workers = 1; workers <= 4; ++workers) {
    ck_team *team;
    ck_context *context;
    CHECK(ck_team_create(topology, (ck_team_options){.workers = workers, .pin = true}, &team) == CK_OK);
    CHECK(ck_context_create(0, team, &context) == CK_OK);
    uint32_t granted = ck_team_workers(team);
    for (int round = 0; round < 3; ++round)
      for (size_t parts = 0; parts <= MOST_PARTS; parts += parts < 10 ? 1 : 15)
        check_loops(context, parts, (uint32_t)round % granted, round == 2 ? 1 : 0);
    for (int round = 0; round < 200; ++round) check_loops(context, (size_t)round % 11, UINT32_MAX, 0);
    for (size_t parts = granted; parts < granted + 7; ++parts) {
      _Atomic uint32_t present = 0, strangers = 0;
      meeting job = {parts, &present, &strangers};
      CHECK(ck_submit(context, meet_all, &job, sizeof job, (ck_needs){0}) == CK_OK);
      CHECK(present == granted && strangers == 0);
      if (granted == 1) continue;
      _Atomic uint32_t done = 0;
      slow_job slow = {4 * parts, &done};
      CHECK(ck_submit(context, slow_all, &slow, sizeof slow, (ck_needs){0}) == CK_OK);
      CHECK(done == 4 * parts);
    }
    if (granted > 1)
      printf("%u workers, a loop of 16 empty tasks: ck_for %.2f us, ck_for_parts %.2f us\n", granted,
             loop_us(context, false), loop_us(context, true));
    ck_context_destroy(context);
    ck_team_destroy(team);
  }
}
