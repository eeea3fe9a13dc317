// What the machine is made of, and which hardware threads workers take. The only file that knows hwloc.
#include "runtime/topology.h"
#include "runtime/quota.h"
#include "runtime/worker.h"
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#if defined(CK_HAVE_HWLOC)
#include <hwloc.h>
#endif

typedef struct unit {
  uint32_t os_index, node, core, rank; // rank 0: the first hardware thread of its core that we may use
} unit;

struct ck_topology {
  ck_topology_info info;
  unit *units; // info.units of them, in the order in which workers take them
#if defined(CK_HAVE_HWLOC)
  hwloc_topology_t hwloc;
  hwloc_bitmap_t allowed; // hardware threads we may use
#endif
};

uint32_t ck_topology_core(const ck_topology *topology, uint32_t unit) {
  for (uint32_t i = 0; i < topology->info.units; ++i)
    if (topology->units[i].os_index == unit) return topology->units[i].core;
  return CK_NO_CORE;
}

uint32_t ck_topology_core_here(const ck_topology *topology) {
#if defined(__linux__)
  int unit = sched_getcpu();
  return unit < 0 ? CK_NO_CORE : ck_topology_core(topology, (uint32_t)unit);
#else
  return CK_NO_CORE;
#endif
}

ck_topology_info ck_topology_describe(const ck_topology *topology) { return topology->info; }

void ck_topology_plan(const ck_topology *topology, uint32_t workers, uint32_t *units, uint32_t *nodes) {
  for (uint32_t i = 0; i < workers; ++i) {
    unit unit = topology->units[i % topology->info.units];
    units[i] = unit.os_index;
    nodes[i] = unit.node;
  }
}

uint32_t ck_topology_default_workers(const ck_topology *topology) {
  uint32_t cores = topology->info.cores, quota = topology->info.quota;
  uint32_t workers = quota > 0 && quota < cores ? quota : cores;
  return workers > 0 ? workers : 1;
}

#if defined(CK_HAVE_HWLOC)

static size_t cache_bytes(hwloc_topology_t hwloc, hwloc_obj_type_t type) {
  hwloc_obj_t cache = hwloc_get_obj_by_type(hwloc, type, 0);
  return cache != NULL ? (size_t)cache->attr->cache.size : 0;
}

// NUMA nodes are numbered without gaps over those that have hardware threads we may use. This is number `index`.
static hwloc_obj_t usable_node(hwloc_topology_t hwloc, hwloc_const_cpuset_t allowed, uint32_t index) {
  hwloc_obj_t node = NULL;
  while ((node = hwloc_get_next_obj_by_type(hwloc, HWLOC_OBJ_NUMANODE, node)) != NULL)
    if (hwloc_bitmap_intersects(node->cpuset, allowed) && index-- == 0) return node;
  return NULL;
}

static uint32_t node_of(hwloc_topology_t hwloc, hwloc_const_cpuset_t allowed, hwloc_obj_t pu) {
  hwloc_obj_t node;
  for (uint32_t index = 0; (node = usable_node(hwloc, allowed, index)) != NULL; ++index)
    if (hwloc_bitmap_isincluded(pu->cpuset, node->cpuset)) return index;
  return 0;
}

// hwloc's logical order is by package and node already; what is added is that first threads come before second ones.
static int by_rank_then_node(const void *left, const void *right) {
  const unit *a = left, *b = right;
  if (a->rank != b->rank) return a->rank < b->rank ? -1 : 1;
  if (a->node != b->node) return a->node < b->node ? -1 : 1;
  return 0;
}

static uint32_t count_touching(hwloc_topology_t hwloc, hwloc_obj_type_t type, hwloc_const_cpuset_t allowed) {
  uint32_t count = 0;
  hwloc_obj_t object = NULL;
  while ((object = hwloc_get_next_obj_by_type(hwloc, type, object)) != NULL)
    count += hwloc_bitmap_intersects(object->cpuset, allowed) != 0;
  return count;
}

// Stable insertion sort: few elements, and equal ones must keep hwloc's order.
static void sort_units(unit *units, uint32_t count) {
  for (uint32_t i = 1; i < count; ++i) {
    unit moving = units[i];
    uint32_t at = i;
    for (; at > 0 && by_rank_then_node(&units[at - 1], &moving) > 0; --at) units[at] = units[at - 1];
    units[at] = moving;
  }
}

static ck_status read_units(ck_topology *topology) {
  hwloc_const_cpuset_t allowed = topology->allowed;
  hwloc_topology_t hwloc = topology->hwloc;
  int pus = hwloc_get_nbobjs_by_type(hwloc, HWLOC_OBJ_PU);
  topology->units = calloc(pus > 0 ? (size_t)pus : 1, sizeof(unit));
  if (topology->units == NULL) return CK_NO_MEMORY;
  uint32_t units = 0, cores = 0, rank = 0;
  hwloc_obj_t pu = NULL, last_core = NULL;
  while ((pu = hwloc_get_next_obj_by_type(hwloc, HWLOC_OBJ_PU, pu)) != NULL) {
    if (!hwloc_bitmap_isset(allowed, pu->os_index)) continue;
    hwloc_obj_t core = hwloc_get_ancestor_obj_by_type(hwloc, HWLOC_OBJ_CORE, pu);
    rank = core != NULL && core == last_core ? rank + 1 : 0;
    cores += rank == 0;
    last_core = core;
    topology->units[units++] = (unit){pu->os_index, node_of(hwloc, allowed, pu), cores - 1, rank};
  }
  if (units == 0) units = cores = 1; // a cpuset that names no unit: one worker, on unit 0
  sort_units(topology->units, units);
  topology->info.units = units;
  topology->info.cores = cores;
  return CK_OK;
}

static ck_status create(const char *synthetic, ck_topology **out) {
  *out = NULL;
  ck_topology *topology = calloc(1, sizeof *topology);
  if (topology == NULL) return CK_NO_MEMORY;
  hwloc_bitmap_t allowed = topology->allowed = hwloc_bitmap_alloc(), bound = hwloc_bitmap_alloc();
  ck_status status = CK_NO_MEMORY;
  if (allowed == NULL || bound == NULL || hwloc_topology_init(&topology->hwloc) != 0) {
    hwloc_bitmap_free(allowed);
    free(topology);
    topology = NULL;
    goto done;
  }
  status = CK_BAD_ARGUMENT;
  if (synthetic != NULL) {
    if (hwloc_topology_set_synthetic(topology->hwloc, synthetic) != 0) goto done;
    // Pinning is tried for real, so that a plan for hardware that is not there fails as it should.
    hwloc_topology_set_flags(topology->hwloc, HWLOC_TOPOLOGY_FLAG_IS_THISSYSTEM);
  }
  if (hwloc_topology_load(topology->hwloc) != 0) goto done;
  hwloc_topology_t hwloc = topology->hwloc;
  hwloc_bitmap_copy(allowed, hwloc_topology_get_allowed_cpuset(hwloc));
  // Allowed by the cgroup is not all: taskset and job schedulers restrict the process itself.
  if (synthetic == NULL && hwloc_get_cpubind(hwloc, bound, HWLOC_CPUBIND_PROCESS) == 0 &&
      hwloc_bitmap_intersects(allowed, bound))
    hwloc_bitmap_and(allowed, allowed, bound);
  status = read_units(topology);
  uint32_t nodes = count_touching(hwloc, HWLOC_OBJ_NUMANODE, allowed);
  uint32_t packages = count_touching(hwloc, HWLOC_OBJ_PACKAGE, allowed);
  topology->info.nodes = nodes > 0 ? nodes : 1;
  topology->info.packages = packages > 0 ? packages : 1;
  topology->info.quota = synthetic == NULL ? ck_cgroup_quota("") : 0;
  topology->info.l1d_bytes = cache_bytes(hwloc, HWLOC_OBJ_L1CACHE);
  topology->info.l2_bytes = cache_bytes(hwloc, HWLOC_OBJ_L2CACHE);
  topology->info.l3_bytes = cache_bytes(hwloc, HWLOC_OBJ_L3CACHE);
done:
  hwloc_bitmap_free(bound);
  if (status == CK_OK)
    *out = topology;
  else
    ck_topology_destroy(topology);
  return status;
}

ck_status ck_topology_create(ck_topology **out) { return create(NULL, out); }

ck_status ck_topology_create_synthetic(const char *description, ck_topology **out) { return create(description, out); }

void ck_topology_destroy(ck_topology *topology) {
  if (topology == NULL) return;
  hwloc_topology_destroy(topology->hwloc);
  hwloc_bitmap_free(topology->allowed);
  free(topology->units);
  free(topology);
}

bool ck_topology_pin(const ck_topology *topology, uint32_t unit, char *reason, size_t capacity) {
  hwloc_cpuset_t set = hwloc_bitmap_alloc();
  bool done = false;
  if (set != NULL && hwloc_bitmap_only(set, unit) == 0)
    done = hwloc_set_cpubind(topology->hwloc, set, HWLOC_CPUBIND_THREAD) == 0;
  if (!done) {
    const char *why = errno == EPERM    ? "the system does not permit it"
                      : errno == EINVAL ? "it does not exist, or is outside the process's cpuset"
                      : errno == ENOSYS ? "not supported on this system"
                                        : "the system refused";
    snprintf(reason, capacity, "hardware thread %u: %s", unit, why);
  }
  hwloc_bitmap_free(set);
  return done;
}

void *ck_topology_save_binding(const ck_topology *topology) {
  hwloc_cpuset_t set = hwloc_bitmap_alloc();
  if (set == NULL || hwloc_get_cpubind(topology->hwloc, set, HWLOC_CPUBIND_THREAD) == 0) return set;
  hwloc_bitmap_free(set);
  return NULL;
}

void ck_topology_restore_binding(const ck_topology *topology, void *saved) {
  if (saved == NULL) return;
  hwloc_set_cpubind(topology->hwloc, saved, HWLOC_CPUBIND_THREAD);
  hwloc_bitmap_free(saved);
}

void ck_topology_place(const ck_topology *topology, void *start, size_t bytes, ck_placement placement, uint32_t node) {
  hwloc_topology_t hwloc = topology->hwloc;
  if (topology->info.nodes < 2 || placement == CK_PLACE_DEFAULT) return;
  if (placement == CK_PLACE_INTERLEAVED) {
    hwloc_set_area_membind(hwloc, start, bytes, hwloc_topology_get_allowed_nodeset(hwloc), HWLOC_MEMBIND_INTERLEAVE,
                           HWLOC_MEMBIND_BYNODESET);
    return;
  }
  hwloc_obj_t object = usable_node(hwloc, topology->allowed, node);
  if (object == NULL) return;
  hwloc_set_area_membind(hwloc, start, bytes, object->nodeset, HWLOC_MEMBIND_BIND, HWLOC_MEMBIND_BYNODESET);
}

#else // without hwloc: one node, one package, a core for each hardware thread

#if defined(__APPLE__)
#include <sys/sysctl.h>
#endif

static size_t positive(long value) { return value > 0 ? (size_t)value : 0; }

// OS indices of the hardware threads we may use, at most `capacity`.
static uint32_t usable_units(unit *units, uint32_t capacity) {
  uint32_t count = 0;
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(getpid(), sizeof set, &set) == 0) {
    for (uint32_t i = 0; i < CPU_SETSIZE && count < capacity; ++i)
      if (CPU_ISSET(i, &set)) units[count++].os_index = i;
  }
#endif
  if (count == 0)
    for (; count < capacity; ++count) units[count].os_index = count;
  return count;
}

static size_t cache_bytes(int level) {
#if defined(_SC_LEVEL1_DCACHE_SIZE)
  const int names[] = {_SC_LEVEL1_DCACHE_SIZE, _SC_LEVEL2_CACHE_SIZE, _SC_LEVEL3_CACHE_SIZE};
  return positive(sysconf(names[level - 1]));
#elif defined(__APPLE__)
  const char *names[] = {"hw.l1dcachesize", "hw.l2cachesize", "hw.l3cachesize"};
  int64_t value = 0;
  size_t bytes = sizeof value;
  return sysctlbyname(names[level - 1], &value, &bytes, NULL, 0) == 0 ? positive((long)value) : 0;
#else
  (void)level;
  return 0;
#endif
}

ck_status ck_topology_create(ck_topology **out) {
  *out = NULL;
  ck_topology *topology = calloc(1, sizeof *topology);
  if (topology == NULL) return CK_NO_MEMORY;
  uint32_t capacity = (uint32_t)ck_max(positive(sysconf(_SC_NPROCESSORS_ONLN)), 1);
  topology->units = calloc(capacity, sizeof(unit));
  if (topology->units == NULL) {
    free(topology);
    return CK_NO_MEMORY;
  }
  uint32_t count = usable_units(topology->units, capacity);
  for (uint32_t i = 0; i < count; ++i) topology->units[i].core = i;
  topology->info = (ck_topology_info){.nodes = 1, .packages = 1, .cores = count, .units = count};
  topology->info.quota = ck_cgroup_quota("");
  topology->info.l1d_bytes = cache_bytes(1);
  topology->info.l2_bytes = cache_bytes(2);
  topology->info.l3_bytes = cache_bytes(3);
  *out = topology;
  return CK_OK;
}

ck_status ck_topology_create_synthetic(const char *description, ck_topology **out) {
  *out = NULL;
  return CK_BAD_ARGUMENT;
}

void ck_topology_destroy(ck_topology *topology) {
  if (topology == NULL) return;
  free(topology->units);
  free(topology);
}

bool ck_topology_pin(const ck_topology *topology, uint32_t unit, char *reason, size_t capacity) {
  snprintf(reason, capacity, "built without hwloc");
  return false;
}

void *ck_topology_save_binding(const ck_topology *topology) { return NULL; }
void ck_topology_restore_binding(const ck_topology *topology, void *saved) {}
void ck_topology_place(const ck_topology *topology, void *start, size_t bytes, ck_placement placement, uint32_t node) {}
#endif
