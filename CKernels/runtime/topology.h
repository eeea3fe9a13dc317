// What team.c and memory.c ask of the topology beyond its public face.
#ifndef CK_TOPOLOGY_H
#define CK_TOPOLOGY_H
#include "ck_runtime.h"
// Binds the calling thread to the hardware thread with this OS index. False: not done, and `reason` says why.
bool ck_topology_pin(const ck_topology *topology, uint32_t unit, char *reason, size_t capacity);
// A number for the core of the hardware thread with this OS index, and of that which the calling thread is on at this
// moment; CK_NO_CORE when it is none of ours or cannot be known.
enum { CK_NO_CORE = UINT32_MAX };
uint32_t ck_topology_core(const ck_topology *topology, uint32_t unit);
uint32_t ck_topology_core_here(const ck_topology *topology);
// The calling thread's binding, to be restored later; NULL when it cannot be known.
void *ck_topology_save_binding(const ck_topology *topology);
void ck_topology_restore_binding(const ck_topology *topology, void *saved); // frees it
// Asks for the pages of a range to be placed. A refusal by the system is not an error: the memory works all the same.
void ck_topology_place(const ck_topology *topology, void *start, size_t bytes, ck_placement placement, uint32_t node);
#endif
