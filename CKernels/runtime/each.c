#include "ck_each.h"
#include "runtime/worker.h"

typedef struct each_job {
  size_t tasks;
  bool scratch, shared;
  ck_each_body *body;
  void *argument;
} each_job;

static void each_task(ck_worker *worker, const void *opaque, size_t task) {
  const each_job *job = opaque;
  job->body(job->argument, task,
            (ck_each_place){ck_worker_index(worker), ck_worker_count(worker),
                            job->scratch ? ck_worker_scratch(worker) : NULL,
                            job->shared ? ck_shared_scratch(worker) : NULL});
}

static void each_program(ck_worker *worker, const void *opaque) {
  ck_for(worker, ((const each_job *)opaque)->tasks, each_task, opaque);
}

ck_status ck_each(const ck_context *context, size_t tasks, size_t worker_bytes, size_t shared_bytes, double work_ns,
                  ck_each_body *body, void *argument) {
  if (tasks == 0) return CK_OK;
  each_job job = {tasks, worker_bytes > 0, shared_bytes > 0, body, argument};
  ck_needs needs = {worker_bytes, shared_bytes, tasks == 1 && work_ns <= 0 ? 1 : work_ns};
  return ck_submit(context, each_program, &job, sizeof job, needs);
}
