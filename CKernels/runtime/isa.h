#ifndef CK_ISA_H
#define CK_ISA_H
#include "ck_runtime.h"
enum {
  CK_ISA_PORTABLE = 0,
#define CK_ISA(NAME, name, bit, implied, detected) CK_ISA_##NAME = 1 << bit | implied,
#include "runtime/isa.inc.h"
#undef CK_ISA
};
#endif
