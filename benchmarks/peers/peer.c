#define _GNU_SOURCE
#include "peer.h"
#include <dirent.h>
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

static uint32_t mixed(uint64_t stream, uint64_t index) {
  uint64_t z = index + stream * 0x9e3779b97f4a7c15u; // splitmix64
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return (uint32_t)((z ^ (z >> 31)) >> 32);
}

int peer_a(int64_t m, int64_t k) { return (int)(mixed(1, (uint64_t)m << 24 | (uint64_t)k) % 255) - 127; }
int peer_b(int64_t n, int64_t k) { return (int)(mixed(2, (uint64_t)n << 24 | (uint64_t)k) % 255) - 127; }

size_t peer_size(peer_type type) { return type == PEER_F32 ? 4 : type == PEER_BF16 ? 2 : 1; }

static void store(peer_type type, void *out, int64_t index, int value) {
  float real = (float)value / 128;
  uint32_t bits;
  memcpy(&bits, &real, 4);
  if (type == PEER_F32) ((float *)out)[index] = real;
  if (type == PEER_BF16) ((uint16_t *)out)[index] = (uint16_t)(bits >> 16); // eight significant bits: nothing is lost
  if (type == PEER_S8) ((int8_t *)out)[index] = (int8_t)value;
}

void peer_fill_a(const peer_job *job, void *out) {
  for (int64_t m = 0; m < job->M; m++)
    for (int64_t k = 0; k < job->K; k++)
      store(job->type, out, job->a_transposed ? k * job->M + m : m * job->K + k, peer_a(m, k));
}

void peer_fill_b(const peer_job *job, void *out) {
  for (int64_t n = 0; n < job->N; n++)
    for (int64_t k = 0; k < job->K; k++)
      store(job->type, out, job->b_transposed ? n * job->K + k : k * job->N + n, peer_b(n, k));
}

enum { HUGE_PAGE = 2 << 20 };

void *peer_allocate(size_t bytes) {
  size_t whole = (bytes + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
  void *memory = aligned_alloc(HUGE_PAGE, whole ? whole : HUGE_PAGE);
  if (!memory) {
    fprintf(stderr, "out of memory: %zu bytes\n", bytes);
    exit(1);
  }
  madvise(memory, whole, MADV_HUGEPAGE);
  memset(memory, 0, whole);
  return memory;
}

void peer_free(void *memory) { free(memory); }

static int ascending(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }

void peer_pin_threads(void) {
  int units[CPU_SETSIZE], tasks[CPU_SETSIZE], unit_count = 0, task_count = 0;
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed)) return;
  for (int i = 0; i < CPU_SETSIZE; i++)
    if (CPU_ISSET(i, &allowed)) units[unit_count++] = i;
  DIR *folder = opendir("/proc/self/task");
  if (!folder) return;
  for (struct dirent *entry; (entry = readdir(folder)) && task_count < CPU_SETSIZE;)
    if (entry->d_name[0] != '.') tasks[task_count++] = atoi(entry->d_name);
  closedir(folder);
  if (unit_count != task_count || unit_count < 2) return;
  qsort(tasks, (size_t)task_count, sizeof *tasks, ascending);
  for (int i = 0; i < unit_count; i++) {
    cpu_set_t own;
    CPU_ZERO(&own);
    CPU_SET(units[i], &own);
    sched_setaffinity(tasks[i], sizeof own, &own);
  }
}

// Whether element (m, n) is the product, within what the type's roundings allow: exactly for integers; for floats K
// roundings of the sum in f32 at worst, and one of the output. The reference is an integer, so it is exact.
static bool right(const peer_job *job, double found, int64_t m, int64_t n, double *expected) {
  int64_t sum = 0, magnitude = 0;
  for (int64_t k = 0; k < job->K; k++) {
    int64_t term = (int64_t)peer_a(m, k) * peer_b(n, k);
    sum += term;
    magnitude += term < 0 ? -term : term;
  }
  if (job->type == PEER_S8) {
    *expected = (double)sum;
    return found == *expected;
  }
  *expected = (double)sum / 16384;
  double tolerance = (double)job->K * 0x1p-24 * (double)magnitude / 16384;
  if (job->type == PEER_BF16) tolerance += (fabs(*expected) + tolerance) * 0x1p-8;
  return fabs(found - *expected) <= tolerance;
}

// Every element of a small product, 64 drawn ones of a large product.
static bool check(const peer_library *library, const peer_job *job, char *why, size_t capacity) {
  library->run(job->copies - 1);
  int64_t all = job->M * job->N, count = all <= 4096 ? all : 64;
  for (int64_t i = 0; i < count; i++) {
    int64_t at = count == all ? i : (int64_t)(mixed(3, (uint64_t)i) % (uint64_t)all);
    int64_t m = at / job->N, n = at % job->N;
    double expected = 0, found = library->result(m, n);
    if (right(job, found, m, n, &expected)) continue;
    snprintf(why, capacity, "wrong result at (%lld, %lld) of %lldx%lldx%lld: %.9g, expected %.9g", (long long)m,
             (long long)n, (long long)job->M, (long long)job->N, (long long)job->K, found, expected);
    return false;
  }
  return true;
}

static bool parse_work(const char *name, peer_job *job) {
  static const struct {
    const char *name;
    peer_type type;
    bool packed, a_transposed, b_transposed;
  } works[] = {{"f32", PEER_F32, true, false, true},     {"bf16", PEER_BF16, true, false, true},
               {"s8", PEER_S8, true, false, true},       {"f32-nn", PEER_F32, false, false, false},
               {"f32-nt", PEER_F32, false, false, true}, {"f32-tn", PEER_F32, false, true, false}};
  for (size_t i = 0; i < sizeof works / sizeof *works; i++) {
    if (strcmp(works[i].name, name)) continue;
    *job = (peer_job){.type = works[i].type,
                      .packed = works[i].packed,
                      .a_transposed = works[i].a_transposed,
                      .b_transposed = works[i].b_transposed};
    return true;
  }
  return false;
}

typedef struct {
  peer_job job;
  bool ready, cold;
  int turn;
} session;

static void prepare(const peer_library *library, session *now, const char *line) {
  char name[32], temperature[8] = "", detail[256] = "", why[256] = "";
  long long m, n, k, threads, bytes = 0;
  if (now->ready) library->release();
  now->ready = false;
  int found =
      sscanf(line, "prepare %31s %lld %lld %lld %lld %7s %lld", name, &m, &n, &k, &threads, temperature, &bytes);
  if (found < 5 || m < 1 || n < 1 || k < 1 || threads < 1 || (found > 5 && strcmp(temperature, "cold"))) {
    printf("error malformed request: %s\n", line);
    return;
  }
  peer_job job;
  if (!parse_work(name, &job)) {
    printf("unsupported no %s here\n", name);
    return;
  }
  // A small product first, all of whose elements are checked; then the one that was asked for, checked here and there.
  const int64_t shapes[2][3] = {{7, 48, 128}, {m, n, k}};
  for (int i = 0; i < 2; i++) {
    job.M = shapes[i][0], job.N = shapes[i][1], job.K = shapes[i][2];
    int64_t weights = job.N * job.K * (int64_t)peer_size(job.type);
    job.copies = i == 1 && found > 5 ? (int)((bytes + weights - 1) / weights) : 1;
    if (i == 1 && found > 5 && job.copies < 2) job.copies = 2;
    const char *refusal = library->prepare(&job, detail, sizeof detail);
    if (refusal) {
      printf("unsupported %s\n", refusal);
      return;
    }
    if (!check(library, &job, why, sizeof why)) {
      library->release();
      printf("error %s\n", why);
      return;
    }
    if (i == 0) library->release();
  }
  *now = (session){.job = job, .ready = true, .cold = found > 5};
  printf("ok %s\n", detail);
}

int64_t peer_nanoseconds(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000000000LL + time.tv_nsec;
}

// Two untimed runs (one when cold), then `count` samples of at least 20 microseconds each, in nanoseconds a run.
static void run(const peer_library *library, session *now, long count) {
  int64_t first = 0;
  for (int i = 0; i < (now->cold ? 1 : 2); i++) {
    int64_t before = peer_nanoseconds();
    library->run(now->turn++ % now->job.copies);
    first = peer_nanoseconds() - before;
  }
  int64_t inner = now->cold || first >= 20000 ? 1 : 20000 / (first < 1 ? 1 : first) + 1;
  for (long i = 0; i < count; i++) {
    int64_t before = peer_nanoseconds();
    for (int64_t j = 0; j < inner; j++) library->run(now->turn++ % now->job.copies);
    int64_t each = (peer_nanoseconds() - before) / inner;
    printf("%s%lld", i ? " " : "", (long long)(each < 1 ? 1 : each));
  }
  printf("\n");
}

int peer_serve(const peer_library *library) {
  char line[512], version[256];
  session now = {0};
  while (fgets(line, sizeof line, stdin)) {
    line[strcspn(line, "\n")] = 0;
    long count;
    if (!strcmp(line, "quit")) break;
    if (!strcmp(line, "version")) {
      library->version(version, sizeof version);
      printf("%s\n", version);
    } else if (!strncmp(line, "prepare ", 8)) {
      prepare(library, &now, line);
    } else if (sscanf(line, "run %ld", &count) == 1 && count > 0) {
      if (now.ready)
        run(library, &now, count);
      else
        printf("error nothing is prepared\n");
    } else {
      printf("error malformed request: %s\n", line);
    }
    fflush(stdout);
  }
  return 0;
}
