#include "runtime/placed.h"
#include "runtime/team.h"
#include "runtime/topology.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct ck_placed {
  size_t bytes, part_bytes;
  uint32_t copies;
  char *starts[]; // one per copy
};

enum { HUGE_PAGE = 1 << 21, HUGE_PAGES_OF_LARGE_RANGE = 8, CHUNK = 1 << 20 };

static size_t part_count(size_t bytes, size_t part_bytes) { return bytes / part_bytes + (bytes % part_bytes != 0); }

// Bytes before the parts of this worker, exactly.
static size_t first_byte(uint32_t workers, uint32_t worker, size_t bytes, size_t part_bytes) {
  size_t part = ck_first_part(part_count(bytes, part_bytes), workers, worker);
  return part > bytes / part_bytes ? bytes : part * part_bytes;
}

uint32_t ck_placed_plan(const uint32_t *nodes, uint32_t workers, size_t bytes, size_t part_bytes, size_t page,
                        ck_range *ranges) {
  uint32_t runs = 1;
  for (uint32_t w = 1; w < workers; ++w) runs += nodes[w] != nodes[w - 1];
  // A huge page cannot lie on two nodes: one across a boundary would be split into small ones. Moving the boundary to
  // its edge instead misplaces half of it at most, which is little where there are many.
  size_t grain = bytes / runs >= (size_t)HUGE_PAGES_OF_LARGE_RANGE * HUGE_PAGE ? ck_max(page, HUGE_PAGE) : page;
  uint32_t count = 0;
  for (uint32_t w = 0; w < workers; ++w) {
    size_t end = first_byte(workers, w + 1, bytes, part_bytes);
    // To the nearest multiple, without overflow; the last range ends where the array does.
    end = end == bytes || end % grain == 0     ? end
          : end % grain < grain - grain / 2    ? end / grain * grain
          : bytes - end <= grain - end % grain ? bytes
                                               : ck_round_up(end, grain);
    size_t start = count > 0 ? ranges[count - 1].end : 0;
    if (end == start) continue;
    if (count > 0 && ranges[count - 1].node == nodes[w])
      ranges[count - 1].end = end;
    else
      ranges[count++] = (ck_range){start, end, nodes[w]};
  }
  return count;
}

static ck_status partition(const ck_team *team, const ck_placed *placed) {
  uint32_t workers = ck_team_workers(team);
  ck_range *ranges = calloc(workers, sizeof *ranges);
  if (ranges == NULL) return CK_NO_MEMORY;
  long page = sysconf(_SC_PAGESIZE);
  uint32_t count = ck_placed_plan(ck_team_nodes(team), workers, placed->bytes, placed->part_bytes,
                                  page > 0 ? (size_t)page : 4096, ranges);
  for (uint32_t i = 0; i < count; ++i)
    ck_topology_place(ck_team_topology(team), placed->starts[0] + ranges[i].start, ranges[i].end - ranges[i].start,
                      CK_PLACE_NODE, ranges[i].node);
  free(ranges);
  return CK_OK;
}

ck_status ck_placed_create(const ck_context *context, size_t bytes, size_t part_bytes, ck_placement placement,
                           uint32_t node, ck_placed **out) {
  *out = NULL;
  const ck_team *team = context->team;
  const ck_topology *topology = ck_team_topology(team);
  uint32_t nodes = ck_topology_describe(topology).nodes;
  if (part_bytes == 0 || placement < CK_PLACE_DEFAULT || placement > CK_PLACE_REPLICATED) return CK_BAD_ARGUMENT;
  if (placement == CK_PLACE_NODE && node >= nodes) return CK_BAD_ARGUMENT;
  if (nodes == 1 || !ck_memory_has_pages(bytes)) placement = CK_PLACE_DEFAULT;
  uint32_t copies = placement == CK_PLACE_REPLICATED ? nodes : 1;
  ck_placed *placed = calloc(1, sizeof *placed + copies * sizeof *placed->starts);
  if (placed == NULL) return CK_NO_MEMORY;
  placed->bytes = bytes;
  placed->part_bytes = part_bytes;
  placed->copies = copies;
  ck_status status = CK_OK;
  for (uint32_t i = 0; i < copies && status == CK_OK; ++i) {
    void *start = NULL;
    if (placement == CK_PLACE_REPLICATED)
      status = ck_memory_create(topology, bytes, CK_PLACE_NODE, i, &start);
    else
      status = ck_memory_create(topology, bytes, placement == CK_PLACE_PARTITIONED ? CK_PLACE_DEFAULT : placement, node,
                                &start);
    placed->starts[i] = start;
  }
  if (status == CK_OK && placement == CK_PLACE_PARTITIONED) status = partition(team, placed);
  if (status == CK_OK)
    *out = placed;
  else
    ck_placed_destroy(placed);
  return status;
}

void ck_placed_destroy(ck_placed *placed) {
  if (placed == NULL) return;
  for (uint32_t i = 0; i < placed->copies; ++i) ck_memory_destroy(placed->starts[i], placed->bytes);
  free(placed);
}

size_t ck_placed_parts(const ck_placed *placed) { return part_count(placed->bytes, placed->part_bytes); }
uint32_t ck_placed_copies(const ck_placed *placed) { return placed->copies; }
void *ck_placed_start(const ck_placed *placed) { return placed->starts[0]; }

const void *ck_placed_at(const ck_placed *placed, uint32_t node) {
  return placed->starts[node < placed->copies ? node : 0];
}

static void copy_chunk(ck_worker *worker, const void *argument, size_t task) {
  const ck_placed *placed = *(const ck_placed *const *)argument;
  size_t from = task * CHUNK, bytes = ck_min(CHUNK, placed->bytes - from);
  for (uint32_t i = 1; i < placed->copies; ++i) memcpy(placed->starts[i] + from, placed->starts[0] + from, bytes);
}

static void copy_all(ck_worker *worker, const void *argument) {
  const ck_placed *placed = *(const ck_placed *const *)argument;
  ck_for(worker, ck_ceil_div(placed->bytes, CHUNK), copy_chunk, argument);
}

ck_status ck_placed_replicate(const ck_context *context, ck_placed *placed) {
  if (placed->copies == 1) return CK_OK;
  double work_ns = 0.1 * (double)placed->bytes * (double)(placed->copies - 1);
  return ck_submit(context, copy_all, &placed, sizeof placed, (ck_needs){.work_ns = work_ns});
}
