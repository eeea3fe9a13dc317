// Calls a function of the caller's for every task, on the team: for work that has no kernel of its own.
#ifndef CK_EACH_H
#define CK_EACH_H
#include "ck_runtime.h"
typedef struct ck_each_place {
  uint32_t worker, workers;
  void *scratch, *shared; // 64-byte aligned, contents undefined; null when none was asked for
} ck_each_place;
typedef void ck_each_body(void *argument, size_t task, ck_each_place place);
// body(argument, task, place) for each task in 0 ..< tasks, in any order on any worker. The body must not call the same
// team again. work_ns: estimate of all tasks together on one thread, 0 when unknown; little work runs on the caller.
ck_status ck_each(const ck_context *context, size_t tasks, size_t worker_bytes, size_t shared_bytes, double work_ns,
                  ck_each_body *body, void *argument);
#endif
