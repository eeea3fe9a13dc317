// Starting threads: the one thing that OpenMP is used for. Only parallel.c knows whether it is there.
#ifndef CK_PARALLEL_H
#define CK_PARALLEL_H
#include <stdint.h>
typedef void ck_parallel_body(void *argument, uint32_t index, uint32_t count);
// Runs body on `workers` threads at once, index 0 on the calling thread, and returns when all have returned. `count` is
// how many threads were granted: at least 1, at most `workers`, the same for all of them.
void ck_parallel(uint32_t workers, ck_parallel_body *body, void *argument);
#endif
