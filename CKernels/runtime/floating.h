// The floating-point environment that kernels run in: round to nearest, denormals kept, nothing trapped. A thread
// inherits its creator's, and a caller may have changed its own; results must not depend on either.
#ifndef CK_FLOATING_H
#define CK_FLOATING_H
#include <stdint.h>
#if defined(__x86_64__)
typedef uint32_t ck_floating;
static inline ck_floating ck_floating_enter(void) {
  uint32_t before = __builtin_ia32_stmxcsr();
  __builtin_ia32_ldmxcsr(0x1f80);
  return before;
}
static inline void ck_floating_leave(ck_floating before) { __builtin_ia32_ldmxcsr(before); }
#elif defined(__aarch64__)
typedef uint64_t ck_floating;
static inline void ck_floating_leave(ck_floating before) { __asm__ volatile("msr fpcr, %0" ::"r"(before)); }
static inline ck_floating ck_floating_enter(void) {
  uint64_t before;
  __asm__ volatile("mrs %0, fpcr" : "=r"(before));
  ck_floating_leave(0);
  return before;
}
#else
typedef int ck_floating;
static inline ck_floating ck_floating_enter(void) { return 0; }
static inline void ck_floating_leave(ck_floating before) { (void)before; }
#endif
#endif
