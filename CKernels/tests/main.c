// A plain C driver for machines without Swift: checks the runtime and prints what it costs here. `make` builds and runs
// it.
#include "ck_runtime.h"
#include "runtime/gate.h"
#include "runtime/quota.h"
#include "runtime/worker.h"
#include "tests/check.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

int failures;

typedef struct sum_job {
  const uint32_t *in;
  size_t count;
  uint64_t *out; // one per chunk
} sum_job;
enum { CHUNK = 1000 };

static void sum_chunk(ck_worker *worker, const void *opaque, size_t task) {
  const sum_job *job = opaque;
  uint64_t *scratch = ck_worker_scratch(worker);
  scratch[0] = 0;
  for (size_t i = task * CHUNK; i < ck_min(job->count, (task + 1) * CHUNK); ++i) scratch[0] += job->in[i];
  ((uint64_t *)ck_shared_scratch(worker))[task] = scratch[0];
}
static void sum_program(ck_worker *worker, const void *opaque) {
  const sum_job *job = opaque;
  size_t chunks = ck_ceil_div(job->count, CHUNK);
  ck_for(worker, chunks, sum_chunk, job);
  if (ck_worker_index(worker) == 0) {
    uint64_t total = 0;
    for (size_t i = 0; i < chunks; ++i) total += ((uint64_t *)ck_shared_scratch(worker))[i];
    *job->out = total;
  }
  ck_barrier(worker); // the next step may reuse the scratch
}
static ck_status sum(const ck_context *context, const uint32_t *in, size_t count, uint64_t *out, double work_ns) {
  sum_job job = {in, count, out};
  ck_needs needs = {.worker_bytes = 64, .shared_bytes = 8 * ck_ceil_div(count, CHUNK), .work_ns = work_ns};
  return ck_submit(context, sum_program, &job, sizeof job, needs);
}

static void nothing(ck_worker *worker, const void *job) { (void)worker, (void)job; }
static int ascending(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return (x > y) - (x < y);
}
static void print_latency(const ck_context *context, const char *what, double work_ns, unsigned pause_us) {
  enum { TIMES = 400 };
  uint64_t ns[TIMES];
  for (int i = 0; i < TIMES; ++i) {
    if (pause_us != 0) usleep(pause_us);
    uint64_t start = ck_now_ns();
    ck_submit(context, nothing, NULL, 0, (ck_needs){.work_ns = work_ns});
    ns[i] = ck_now_ns() - start;
  }
  qsort(ns, TIMES, sizeof *ns, ascending);
  printf("  %-28s min %6.2f us, median %6.2f us\n", what, (double)ns[0] * 1e-3, (double)ns[TIMES / 2] * 1e-3);
}

static void many_barriers(ck_worker *worker, const void *job) {
  for (int i = 0; i < 1000; ++i) ck_barrier(worker);
}

typedef struct caller {
  const ck_context *context;
  const uint32_t *in;
  size_t count;
  uint64_t expected;
  int wrong;
} caller;
static void *call_often(void *opaque) {
  caller *self = opaque;
  for (int i = 0; i < 200; ++i) {
    uint64_t out = 0;
    ck_status status = sum(self->context, self->in, self->count, &out, i % 3 == 0 ? 10 : 0);
    self->wrong += status != CK_OK || out != self->expected;
  }
  return NULL;
}

static void call_self(ck_worker *worker, const void *opaque) {
  const ck_context *context = *(const ck_context *const *)opaque;
  CHECK(ck_submit(context, nothing, NULL, 0, (ck_needs){.work_ns = 1}) == CK_BAD_ARGUMENT);
}

static void check_team(const ck_topology *topology, uint32_t workers, const uint32_t *in, size_t count,
                       uint64_t expected) {
  ck_team *team;
  ck_status status = ck_team_create(topology, (ck_team_options){.workers = workers, .pin = true}, &team);
  CHECK(status == CK_OK);
  if (status != CK_OK) return;
  ck_context *context;
  CHECK(ck_context_create(~0u, team, &context) == CK_OK);
  uint64_t out = 0;
  CHECK(sum(context, in, count, &out, 0) == CK_OK && out == expected);
  out = 0;
  CHECK(sum(context, in, count, &out, 1) == CK_OK && out == expected);
  const ck_context *self = context;
  CHECK(ck_submit(context, call_self, &self, sizeof self, (ck_needs){0}) == CK_OK);
  CHECK(ck_submit(context, nothing, NULL, 0, (ck_needs){.worker_bytes = SIZE_MAX / 2}) == CK_NO_MEMORY);

  ck_list *list;
  CHECK(ck_list_create(context, &list) == CK_OK);
  uint64_t outs[40] = {0};
  for (int i = 0; i < 40; ++i)
    CHECK(sum(ck_list_context(list), in, count - (size_t)i, &outs[i], i % 3 != 2 ? 0 : 100) == CK_OK);
  CHECK(ck_list_count(list) == 40 && outs[0] == 0);
  for (int round = 0; round < 3; ++round) {
    memset(outs, 0, sizeof outs);
    CHECK(ck_run(list) == CK_OK);
    uint64_t left = expected;
    for (int i = 0; i < 40; ++i) {
      CHECK(outs[i] == left);
      left -= in[count - 1 - (size_t)i];
    }
  }
  ck_list_destroy(list);

  enum { CALLERS = 16 };
  pthread_t threads[CALLERS];
  caller callers[CALLERS];
  for (int i = 0; i < CALLERS; ++i) {
    callers[i] = (caller){context, in, count, expected, 0};
    if (pthread_create(&threads[i], NULL, call_often, &callers[i]) != 0) call_often(&callers[i]), threads[i] = 0;
  }
  for (int i = 0; i < CALLERS; ++i) {
    if (threads[i] != 0) pthread_join(threads[i], NULL);
    CHECK(callers[i].wrong == 0);
  }

  char reason[100];
  ck_pinning pinning = ck_team_pinning(team, workers - 1, reason, sizeof reason);
  printf("%u workers (%u granted), last one %s: %s\n", workers, ck_team_workers(team),
         pinning == CK_PINNED ? "pinned" : "not pinned", reason);
  print_latency(context, "empty job, alone", 1, 0);
  print_latency(context, "empty job, team awake", 0, 0);
  print_latency(context, "empty job, team asleep", 0, 500);
  uint64_t start = ck_now_ns();
  ck_submit(context, many_barriers, NULL, 0, (ck_needs){0});
  printf("  %-28s %10.2f us\n", "one barrier", (double)(ck_now_ns() - start) * 1e-6);
  clock_t before = clock();
  usleep(200000);
  printf("  %-28s %10.2f ms of CPU in 200 ms\n", "idle", (double)(clock() - before) * 1e3 / CLOCKS_PER_SEC);
  ck_context_destroy(context);
  ck_team_destroy(team);
}

static void write_text(const char *root, const char *path, const char *text) {
  char whole[512];
  snprintf(whole, sizeof whole, "%s%s", root, path);
  for (char *slash = strchr(whole + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
    *slash = 0;
    mkdir(whole, 0700);
    *slash = '/';
  }
  FILE *file = fopen(whole, "w");
  CHECK(file != NULL && fputs(text, file) >= 0);
  if (file != NULL) fclose(file);
}

static void check_quota(void) {
  char root[] = "/tmp/ck_quota_......"; // mkdtemp replaces six of the letter X
  memset(root + sizeof root - 7, 'X', 6);
  CHECK(mkdtemp(root) != NULL);
  CHECK(ck_cgroup_quota(root) == 0);
  write_text(root, "/proc/self/cgroup", "0::/a/b\n");
  write_text(root, "/sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
  CHECK(ck_cgroup_quota(root) == 0);
  write_text(root, "/sys/fs/cgroup/a/cpu.max", "250000 100000\n");
  CHECK(ck_cgroup_quota(root) == 2);
  write_text(root, "/sys/fs/cgroup/a/b/cpu.max", "50000 100000\n");
  CHECK(ck_cgroup_quota(root) == 1);
  write_text(root, "/proc/self/cgroup", "5:memory:/x\n4:cpuacct,cpu:/docker/c\n");
  write_text(root, "/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "300000\n");
  write_text(root, "/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
  CHECK(ck_cgroup_quota(root) == 3);
  write_text(root, "/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
  CHECK(ck_cgroup_quota(root) == 0);
  write_text(root, "/proc/meminfo", "MemTotal: 100 kB\nMemAvailable:    64 kB\n");
  CHECK(ck_available_bytes(root) == 64 * 1024);
  write_text(root, "/sys/fs/cgroup/memory/memory.limit_in_bytes", "10000\n");
  write_text(root, "/sys/fs/cgroup/memory/memory.usage_in_bytes", "4000\n");
  write_text(root, "/sys/fs/cgroup/memory/memory.stat", "cache 5\ntotal_inactive_file 1000\n");
  CHECK(ck_available_bytes(root) == 7000);
  char command[64];
  snprintf(command, sizeof command, "rm -r %s", root);
  CHECK(system(command) == 0);
}

typedef struct waiting_job {
  const ck_context *context;
  _Atomic uint32_t *started, *done;
} waiting_job;
static void wait_a_while(ck_worker *worker, const void *opaque) {
  const waiting_job *job = opaque;
  atomic_fetch_add(job->started, 1);
  usleep(50000);
  atomic_fetch_add(job->done, 1);
}
static void *submit_waiting(void *opaque) {
  const waiting_job *job = opaque;
  CHECK(ck_submit(job->context, wait_a_while, job, sizeof *job, (ck_needs){0}) == CK_OK);
  return NULL;
}

// What was accepted is done before a team is gone.
static void check_destroy(const ck_topology *topology, uint32_t workers) {
  ck_team *team;
  ck_context *context;
  CHECK(ck_team_create(topology, (ck_team_options){.workers = workers, .pin = true}, &team) == CK_OK);
  CHECK(ck_context_create(0, team, &context) == CK_OK);
  _Atomic uint32_t started = 0, done = 0;
  waiting_job job = {context, &started, &done};
  pthread_t thread;
  if (pthread_create(&thread, NULL, submit_waiting, &job) == 0) {
    while (started == 0) usleep(100);
    const uint32_t granted = ck_team_workers(team);
    ck_team_destroy(team);
    CHECK(done == granted);
    pthread_join(thread, NULL);
  } else {
    ck_team_destroy(team);
  }
  ck_context_destroy(context);
}

int main(void) {
  ck_topology *topology;
  if (ck_topology_create(&topology) != CK_OK) return 1;
  ck_topology_info info = ck_topology_describe(topology);
  char name[64];
  ck_cpu_name(name, sizeof name);
  printf("%s: %u nodes, %u packages, %u cores, %u units, quota %u, L1d %zu, L2 %zu, L3 %zu, %zu MB available\n", name,
         info.nodes, info.packages, info.cores, info.units, info.quota, info.l1d_bytes, info.l2_bytes, info.l3_bytes,
         ck_memory_available() >> 20);
  size_t sets;
  const ck_isa_entry *entries = ck_isa_list(&sets);
  for (size_t i = 0; i < sets; ++i)
    if ((ck_isa_detected() & entries[i].bits) == entries[i].bits) printf("%s ", entries[i].name);
  printf("\n");

  enum { COUNT = 123457 };
  uint32_t *in;
  if (ck_memory_create(topology, COUNT * sizeof *in, CK_PLACE_INTERLEAVED, 0, (void **)&in) != CK_OK) return 1;
  uint64_t expected = 0;
  for (uint32_t i = 0; i < COUNT; ++i) expected += in[i] = i * 2654435761u;
  for (uint32_t workers = 1; workers <= 3; ++workers) check_destroy(topology, workers);
  for (uint32_t workers = 1; workers <= 4; ++workers) check_team(topology, workers, in, COUNT, expected);
  ck_team *unbound;
  CHECK(ck_team_create(topology, (ck_team_options){.workers = 2}, &unbound) == CK_OK);
  ck_context *context = NULL;
  uint64_t total = 0;
  CHECK(ck_team_workers(unbound) == 2 && ck_context_create(0, unbound, &context) == CK_OK);
  CHECK(sum(context, in, COUNT, &total, 0) == CK_OK && total == expected);
  ck_context_destroy(context);
  ck_team_destroy(unbound);
  ck_memory_destroy(in, COUNT * sizeof *in);
  void *large;
#if !defined(GUARDED) // the sanitizer's allocator knows no huge pages
  CHECK(ck_memory_create(topology, 5000001, CK_PLACE_DEFAULT, 0, &large) == CK_OK && (uintptr_t)large % (1 << 21) == 0);
  ck_memory_destroy(large, 5000001);
#endif
  CHECK(ck_memory_create(topology, SIZE_MAX - 5, CK_PLACE_DEFAULT, 0, &large) == CK_NO_MEMORY && large == NULL);
  CHECK(ck_memory_create(topology, 5, CK_PLACE_NODE, 99, &large) == CK_BAD_ARGUMENT && large == NULL);
  check_quota();
  check_parts(topology);
  check_placed(topology);
  check_matmul(topology);
  check_forms(topology);
  ck_topology_destroy(topology);
  printf(failures == 0 ? "all passed\n" : "%d failures\n", failures);
  return failures != 0;
}
