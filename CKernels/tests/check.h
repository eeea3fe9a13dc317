// What the plain C tests share: counted failures, and the parts of the driver.
#ifndef CK_CHECK_H
#define CK_CHECK_H
#include "ck_runtime.h"
#include <stdio.h>

#if defined(__SANITIZE_ADDRESS__)
#define GUARDED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define GUARDED 1
#endif
#endif

extern int failures;
#define CHECK(condition)                                                                                               \
  do {                                                                                                                 \
    if (!(condition)) {                                                                                                \
      ++failures;                                                                                                      \
      printf("FAILED %s:%d: %s\n", __FILE__, __LINE__, #condition);                                                    \
    }                                                                                                                  \
  } while (0)

void check_parts(const ck_topology *topology);  // ck_for_parts
void check_placed(const ck_topology *topology); // placed arrays
void check_matmul(const ck_topology *topology); // products of every type
void check_forms(const ck_topology *topology);  // of packed weights
#endif
