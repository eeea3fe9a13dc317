#ifndef CK_PROBE_INTERNAL_H
#define CK_PROBE_INTERNAL_H
#include "ck_probe.h"
// Runs the loop and returns something that depends on every accumulator, so that none is optimised away.
typedef float ck_probe_loop(uint64_t iterations, float seed);
#define CK_PROBE(NAME, needs, type, operations) ck_probe_loop ck_probe_##NAME;
#include "probe/variants.inc.h"
#undef CK_PROBE
#endif
