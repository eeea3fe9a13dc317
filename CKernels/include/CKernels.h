// Everything that Swift sees of the kernels. One header per operation.
#ifndef CKERNELS_H
#define CKERNELS_H
#include "ck_runtime.h"
// One line per operation:
#include "ck_probe.h"
#endif
