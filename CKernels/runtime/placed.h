// Long-lived arrays that are filled once and then read by the workers of a team, such as packed weights: on a machine
// with several NUMA nodes, each worker should find what it reads on its own node. Internal to CKernels.
//
// The array is a row of parts of part_bytes each (the last may be shorter), and programs read it with
// ck_for_parts(worker, ck_placed_parts(placed), …), part p from ck_placed_at(placed, ck_worker_node(worker)) + p *
// part_bytes.
//
//   CK_PLACE_DEFAULT      by first touch: fill it with ck_for_parts too, and it is placed like a partitioned one
//   CK_PLACE_INTERLEAVED  page by page over all nodes
//   CK_PLACE_NODE         all on one node
//   CK_PLACE_PARTITIONED  the parts that worker w reads first on its node: boundaries go to the nearest page
//   CK_PLACE_REPLICATED   one copy for each node of the machine
//
// With one node, and below the size that has pages of its own, every placement is one plain buffer. A refusal by the
// system to place pages makes reading slower and is not an error. A team of another size than the one that the array
// was made for reads the right bytes, some of them from afar.
#ifndef CK_PLACED_H
#define CK_PLACED_H
#include "runtime/worker.h"

typedef struct ck_placed ck_placed;

// Zeros, 64-byte aligned, in huge pages when large. `node` is read for CK_PLACE_NODE only.
// CK_BAD_ARGUMENT: part_bytes is 0, no such placement or node. CK_NO_MEMORY: also when there is none for some copy.
ck_status ck_placed_create(const ck_context *context, size_t bytes, size_t part_bytes, ck_placement placement,
                           uint32_t node, ck_placed **out);
void ck_placed_destroy(ck_placed *placed);
size_t ck_placed_parts(const ck_placed *placed);
uint32_t ck_placed_copies(const ck_placed *placed); // 1, or one for each node
// Copy number 0, to be filled. Then ck_placed_replicate makes the others equal to it, on the context's team.
void *ck_placed_start(const ck_placed *placed);
ck_status ck_placed_replicate(const ck_context *context, ck_placed *placed);
// The copy that workers on this node read.
const void *ck_placed_at(const ck_placed *placed, uint32_t node);

// The plan of a partition, a function of its arguments alone: ranges of bytes in ascending order that cover 0 ..<
// bytes, each for one node, neighbours for different ones. Writes at most `workers` of them, returns how many.
// Boundaries are multiples of `page`, and of a huge page where each range is large against one.
typedef struct ck_range {
  size_t start, end;
  uint32_t node;
} ck_range;
uint32_t ck_placed_plan(const uint32_t *nodes, uint32_t workers, size_t bytes, size_t part_bytes, size_t page,
                        ck_range *ranges);
#endif
