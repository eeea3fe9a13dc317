// The machine, the worker team and the context that every operation takes. No globals, no environment, no exit.
#ifndef CK_RUNTIME_H
#define CK_RUNTIME_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__clang__) || __GNUC__ >= 13
#define CK_ENUM(name) enum name : int32_t
#else
#define CK_ENUM(name) enum name
#endif

typedef CK_ENUM(ck_status){
    CK_OK = 0,
    CK_BAD_SHAPE,    // extents do not agree, or a product of them overflows
    CK_BAD_ARGUMENT, // a value outside its documented range
    CK_NO_MEMORY,
    CK_NO_KERNEL, // no variant fits the allowed instruction sets
    CK_NO_THREAD, // the operating system refused the launcher thread
} ck_status;
const char *ck_status_text(ck_status status);

// Instruction sets (runtime/isa.inc.h): one bit each, implied bits included.
typedef uint32_t ck_isa;
typedef struct ck_isa_entry {
  const char *name;
  ck_isa bits;
} ck_isa_entry;
ck_isa ck_isa_detected(void);
const ck_isa_entry *ck_isa_list(size_t *count); // weakest first; portable (0) is the first entry

// One implementation of an operation, and what it needs.
typedef struct ck_variant {
  const char *name;
  ck_isa needs;
} ck_variant;

// Topology: what the machine is made of. Immutable.
typedef struct ck_topology ck_topology;
typedef struct ck_topology_info {
  uint32_t nodes, packages, cores, units; // NUMA nodes, sockets, physical cores and hardware threads we may run on
  uint32_t quota;                         // whole CPUs that the cgroup grants, 0 when unlimited
  size_t l1d_bytes, l2_bytes, l3_bytes;   // per instance; 0 when unknown
} ck_topology_info;
ck_status ck_topology_create(ck_topology **out);
// description is hwloc's synthetic notation, such as "numa:2 core:8 pu:2"; without hwloc CK_BAD_ARGUMENT.
ck_status ck_topology_create_synthetic(const char *description, ck_topology **out);
void ck_topology_destroy(ck_topology *topology);
ck_topology_info ck_topology_describe(const ck_topology *topology);
// The plan for `workers` workers: units[i] is the OS index of the hardware thread of worker i (one per physical core,
// in NUMA order, then second hardware threads), nodes[i] its NUMA node, 0 ..< info.nodes: nodes without hardware
// threads that we may use have no number.
void ck_topology_plan(const ck_topology *topology, uint32_t workers, uint32_t *units, uint32_t *nodes);
// min(cores in the cpuset, cgroup quota), at least 1.
uint32_t ck_topology_default_workers(const ck_topology *topology);
size_t ck_cpu_name(char *text, size_t capacity); // brand string; bytes written without the terminating NUL

// Team: worker threads with one launcher. A caller on the core of a worker does that worker's part. Callers' own
// affinity is never changed.
typedef struct ck_team ck_team;
typedef CK_ENUM(ck_pinning){CK_PIN_SKIPPED = 0, CK_PINNED, CK_PIN_FAILED} ck_pinning;
typedef struct ck_team_options {
  uint32_t workers;    // 0: ck_topology_default_workers; 1: no thread at all, work runs on callers, one at a time
  uint32_t first_core; // index into the topology's plan where this team starts, so that two teams share no core
  bool pin;            // false: skipped
  uint32_t spin_ns;    // how long launcher and workers spin before they sleep; 0: default
} ck_team_options;
enum { CK_MAX_WORKERS = 4096 };
// The topology must outlive the team. CK_BAD_ARGUMENT: more than CK_MAX_WORKERS.
ck_status ck_team_create(const ck_topology *topology, ck_team_options options, ck_team **out);
void ck_team_destroy(ck_team *team);           // waits for jobs already accepted
uint32_t ck_team_workers(const ck_team *team); // as many as the system granted, which may be fewer than asked
uint32_t ck_team_queued(ck_team *team);        // callers that wait for their turn at this moment
uint64_t ck_team_regions(const ck_team *team); // operations and lists it has been given to run so far
ck_pinning ck_team_pinning(const ck_team *team, uint32_t worker, char *reason, size_t capacity);

// Context: allowed instruction sets, team, cache sizes. Immutable; an argument of every operation.
// The team must outlive it.
typedef struct ck_context ck_context;
ck_status ck_context_create(ck_isa allowed, ck_team *team, ck_context **out);
void ck_context_destroy(ck_context *context);
ck_isa ck_context_isa(const ck_context *context);

// A list: operations called with the context of a list are noted instead of run; ck_run executes all of them, in
// order, in one parallel region. The memory they name must stay valid and in place until then.
typedef struct ck_list ck_list;
ck_status ck_list_create(const ck_context *base, ck_list **out);
void ck_list_destroy(ck_list *list);
const ck_context *ck_list_context(ck_list *list);
void ck_list_clear(ck_list *list);
size_t ck_list_count(const ck_list *list);
ck_status ck_run(ck_list *list); // keeps the list, so that it can run again
// The same, with the time that each step took in nanoseconds, ck_list_count of them, the barrier after it included.
ck_status ck_run_timed(ck_list *list, uint64_t *nanoseconds);

// Large buffers: 64-byte aligned, zeroed, huge pages where allowed, placed by node.
typedef CK_ENUM(ck_placement){
    CK_PLACE_DEFAULT = 0, // each page on the node of who touches it first
    CK_PLACE_INTERLEAVED, // page by page over all nodes
    CK_PLACE_NODE,        // all on one node
    CK_PLACE_PARTITIONED, // equal parts, each on the node of the worker that is to read it
    CK_PLACE_REPLICATED,  // a copy on each node
} ck_placement;
// The first three placements; the others depend on a team, and are for operations that keep packed operands.
ck_status ck_memory_create(const ck_topology *topology, size_t bytes, ck_placement placement, uint32_t node,
                           void **out);
void ck_memory_destroy(void *memory, size_t bytes);
// Bytes that can be had without pushing anything out, by the system's and the control group's account; 0 when unknown.
size_t ck_memory_available(void);
#endif
