#include "runtime/parallel.h"

#if defined(CK_HAVE_OPENMP)
// Declared here because omp.h is not on the include path of Swift's clang.
extern int omp_get_thread_num(void);
extern int omp_get_num_threads(void);
extern void omp_set_dynamic(int);
extern void kmp_set_blocktime(int);

void ck_parallel(uint32_t workers, ck_parallel_body *body, void *argument) {
  omp_set_dynamic(0);
  // Threads that libomp takes back at the end of the region go to sleep at once, instead of after 200 ms of spinning.
  // Waiting inside the region is ours.
  kmp_set_blocktime(0);
#pragma omp parallel num_threads((int)workers)
  body(argument, (uint32_t)omp_get_thread_num(), (uint32_t)omp_get_num_threads());
}

#else
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

void ck_parallel(uint32_t workers, ck_parallel_body *body, void *argument) {
  start start = {.body = body, .argument = argument};
  ck_gate_init(&start.granted);
  thread *threads = calloc(workers, sizeof *threads);
  uint32_t count = 1;
  for (; threads != NULL && count < workers; ++count) {
    threads[count] = (thread){.start = &start, .index = count};
    if (pthread_create(&threads[count].handle, NULL, run, &threads[count]) != 0) break;
  }
  ck_gate_set(&start.granted, count);
  body(argument, 0, count);
  for (uint32_t i = 1; i < count; ++i) pthread_join(threads[i].handle, NULL);
  free(threads);
  ck_gate_destroy(&start.granted);
}
#endif
