// A gate: a number that one thread changes and others wait for. Waiting is a short spin (pause, then yield), then
// sleep.
#ifndef CK_GATE_H
#define CK_GATE_H
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#if !defined(__linux__)
#include <pthread.h>
#endif

typedef struct ck_gate {
  _Atomic uint32_t word; // the value, times two; the low bit says that somebody may be asleep
#if !defined(__linux__)
  pthread_mutex_t mutex;
  pthread_cond_t changed;
#endif
} ck_gate;

// Both phases end early when the value changes. {0, 0} sleeps at once.
typedef struct ck_spin {
  uint32_t pauses;   // turns of the pause instruction first: quickest, but holds the core
  uint32_t yield_ns; // then turns of sched_yield for this long, which let others have the core
} ck_spin;

void ck_gate_init(ck_gate *gate);
void ck_gate_destroy(ck_gate *gate);
uint32_t ck_gate_value(ck_gate *gate);
// Returns the value as soon as it is another one than `old`. Everything that happened before the change is visible.
uint32_t ck_gate_wait(ck_gate *gate, uint32_t old, ck_spin spin);
// Changes the value and wakes who waits. The gate may be gone when this returns, if a waiter owns it.
// One thread at a time changes a gate. Values are below 2^31.
void ck_gate_set(ck_gate *gate, uint32_t value);
static inline uint32_t ck_gate_next(uint32_t value) { return (value + 1) & INT32_MAX; }
uint64_t ck_now_ns(void); // monotonic
#endif
