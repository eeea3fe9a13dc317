// How much of the machine the control group leaves to this process.
#ifndef CK_QUOTA_H
#define CK_QUOTA_H
#include "ck_runtime.h"
// Whole CPUs granted by cgroup v2 or v1, 0 when unlimited or unknown; a fraction of one counts as one. `root` stands
// before every path that is read ("" but in tests).
uint32_t ck_cgroup_quota(const char *root);
// Bytes available: the system's MemAvailable, or what the control group's limit leaves if that is less. 0 when unknown.
size_t ck_available_bytes(const char *root);
#endif
