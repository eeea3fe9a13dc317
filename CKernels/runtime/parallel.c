#include "runtime/parallel.h"
#include "runtime/gate.h"
#include <pthread.h>
#include <stdlib.h>

typedef struct start {
  ck_parallel_body *body;
  void *argument;
  ck_gate granted; // 0 until every thread that can be had exists
} start;

typedef struct thread {
  start *start;
  uint32_t index;
  pthread_t handle;
} thread;

static void *run(void *opaque) {
  thread *self = opaque;
  uint32_t count = ck_gate_wait(&self->start->granted, 0, (ck_spin){0, 0});
  self->start->body(self->start->argument, self->index, count);
  return NULL;
}

// The same on threads of our own: what runs where there is no OpenMP.
static void run_on_threads(uint32_t workers, ck_parallel_body *body, void *argument) {
  start start = {.body = body, .argument = argument};
  ck_gate_init(&start.granted);
  thread *threads = calloc(workers, sizeof *threads);
  uint32_t count = 1;
  for (; threads != NULL && count < workers; ++count) {
    threads[count] = (thread){.start = &start, .index = count};
    if (pthread_create(&threads[count].handle, NULL, run, &threads[count]) != 0) break;
  }
  if (threads == NULL) count = 1;
  ck_gate_set(&start.granted, count);
  body(argument, 0, count);
  for (uint32_t i = 1; i < count; ++i) pthread_join(threads[i].handle, NULL);
  free(threads);
  ck_gate_destroy(&start.granted);
}

#if defined(CK_HAVE_OPENMP)
// Declared here because omp.h is not on the include path of Swift's clang.
extern int omp_get_thread_num(void);
extern int omp_get_num_threads(void);
extern int omp_get_thread_limit(void);
extern void omp_set_dynamic(int);
extern void kmp_set_blocktime(int);

static void count_threads(void *argument, uint32_t index, uint32_t count) {
  if (index == 0) *(uint32_t *)argument = count;
}

void ck_parallel(uint32_t workers, ck_parallel_body *body, void *argument) {
  // libomp warns on stderr when a limit is set below what is asked, and ends the process when the system refuses it a
  // thread: the one is asked, the other tried out before.
  int limit = omp_get_thread_limit();
  if (limit > 0 && (uint32_t)limit < workers) workers = (uint32_t)limit;
  run_on_threads(workers, count_threads, &workers);
  omp_set_dynamic(0);
  // Threads that libomp takes back at the end of the region go to sleep at once, instead of after 200 ms of spinning.
  // Waiting inside the region is ours.
  kmp_set_blocktime(0);
#pragma omp parallel num_threads((int)workers)
  body(argument, (uint32_t)omp_get_thread_num(), (uint32_t)omp_get_num_threads());
}
#else
void ck_parallel(uint32_t workers, ck_parallel_body *body, void *argument) { run_on_threads(workers, body, argument); }
#endif
