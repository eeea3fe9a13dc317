#include "runtime/gate.h"
#include <limits.h>
#include <sched.h>
#include <time.h>
#if defined(__linux__)
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

static inline void pause_once(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("isb");
#endif
}

uint64_t ck_now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint32_t ck_gate_value(ck_gate *gate) { return atomic_load_explicit(&gate->word, memory_order_acquire) >> 1; }

static bool spin_until(ck_gate *gate, uint32_t old, ck_spin spin) {
  for (uint32_t i = 0; i < spin.pauses; ++i) {
    if (ck_gate_value(gate) != old) return true;
    pause_once();
  }
  if (spin.yield_ns == 0) return ck_gate_value(gate) != old;
  uint64_t start = ck_now_ns();
  do {
    if (ck_gate_value(gate) != old) return true;
    sched_yield();
  } while (ck_now_ns() - start < spin.yield_ns);
  return false;
}

#if defined(__linux__)
void ck_gate_init(ck_gate *gate) { atomic_init(&gate->word, 0); }
void ck_gate_destroy(ck_gate *gate) { (void)gate; }

uint32_t ck_gate_wait(ck_gate *gate, uint32_t old, ck_spin spin) {
  spin_until(gate, old, spin);
  for (;;) {
    uint32_t word = atomic_load_explicit(&gate->word, memory_order_acquire);
    if (word >> 1 != old) return word >> 1;
    if (!(word & 1) && !atomic_compare_exchange_weak(&gate->word, &word, word | 1)) continue;
    syscall(SYS_futex, (uint32_t *)&gate->word, FUTEX_WAIT_PRIVATE, word | 1, NULL, NULL, 0);
  }
}

void ck_gate_set(ck_gate *gate, uint32_t value) {
  // After the exchange the gate may be gone: only its address is used, as the kernel's key. A waiter elsewhere that
  // this happens to wake looks at its own word again.
  if (atomic_exchange(&gate->word, value << 1) & 1)
    syscall(SYS_futex, (uint32_t *)&gate->word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}
#else
void ck_gate_init(ck_gate *gate) {
  atomic_init(&gate->word, 0);
  pthread_mutex_init(&gate->mutex, NULL);
  pthread_cond_init(&gate->changed, NULL);
}

void ck_gate_destroy(ck_gate *gate) {
  pthread_cond_destroy(&gate->changed);
  pthread_mutex_destroy(&gate->mutex);
}

uint32_t ck_gate_wait(ck_gate *gate, uint32_t old, ck_spin spin) {
  spin_until(gate, old, spin);
  // The lock is taken even if the value has changed: the setter may still hold it, and this thread may own the gate.
  pthread_mutex_lock(&gate->mutex);
  while (ck_gate_value(gate) == old) pthread_cond_wait(&gate->changed, &gate->mutex);
  uint32_t value = ck_gate_value(gate);
  pthread_mutex_unlock(&gate->mutex);
  return value;
}

void ck_gate_set(ck_gate *gate, uint32_t value) {
  pthread_mutex_lock(&gate->mutex);
  atomic_store(&gate->word, value << 1);
  pthread_cond_broadcast(&gate->changed);
  pthread_mutex_unlock(&gate->mutex);
}
#endif
