// Placed arrays: plans on synthetic machines, copies, contents, and binding that the system refuses.
#include "runtime/placed.h"
#include "runtime/team.h"
#include "tests/check.h"
#include <stdlib.h>
#include <string.h>

enum { PAGE = 4096, HUGE_PAGE = 1 << 21, MOST_WORKERS = 64 };

// Checks what every plan promises, and that no byte is further from its place than half of `grain`.
static void check_plan(const uint32_t *nodes, uint32_t workers, size_t bytes, size_t part_bytes, size_t grain) {
  ck_range ranges[MOST_WORKERS];
  uint32_t count = ck_placed_plan(nodes, workers, bytes, part_bytes, PAGE, ranges);
  CHECK(count <= workers && (count == 0) == (bytes == 0));
  size_t end = 0;
  for (uint32_t i = 0; i < count; ++i) {
    CHECK(ranges[i].start == end && ranges[i].end > end && ranges[i].start % grain == 0);
    CHECK(i == 0 || ranges[i].node != ranges[i - 1].node);
    end = ranges[i].end;
  }
  CHECK(end == bytes);
  size_t parts = ck_ceil_div(bytes, part_bytes);
  for (size_t p = 0; p < parts; ++p) {
    uint32_t node = nodes[p * workers / parts];
    // A part is on its node but for what the nearest page boundaries cut off at either end of a worker's range.
    size_t from = p * part_bytes, to = ck_min(from + part_bytes, bytes), away = 0;
    for (uint32_t i = 0; i < count; ++i)
      if (ranges[i].node != node && ranges[i].start < to && ranges[i].end > from)
        away += ck_min(to, ranges[i].end) - ck_max(from, ranges[i].start);
    CHECK(away <= grain);
  }
}

static void check_plans(const char *machine, uint32_t node_count) {
  ck_topology *topology;
  if (ck_topology_create_synthetic(machine, &topology) != CK_OK) return; // built without hwloc
  uint32_t units[MOST_WORKERS], nodes[MOST_WORKERS];
  for (uint32_t workers = 1; workers <= MOST_WORKERS; workers += workers < 9 ? 1 : 11) {
    ck_topology_plan(topology, workers, units, nodes);
    const size_t sizes[] = {0, 1, 4095, 4096, 4097, 100000, 1 << 20, 3000000, 64000000, 1000000007};
    const size_t parts[] = {1000, 4096, 30000, 65536, 777777, 4000000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; ++i)
      for (size_t j = 0; j < sizeof parts / sizeof *parts; ++j)
        if (sizes[i] / parts[j] < 20000) {
          uint32_t runs = 1;
          for (uint32_t w = 1; w < workers; ++w) runs += nodes[w] != nodes[w - 1];
          check_plan(nodes, workers, sizes[i], parts[j], sizes[i] / runs >= 8 * HUGE_PAGE ? HUGE_PAGE : PAGE);
        }
  }
  CHECK(ck_topology_describe(topology).nodes == node_count);
  ck_topology_destroy(topology);
}

static void check_known_plans(void) {
  const uint32_t nodes[] = {0, 0, 1, 1};
  ck_range r[4];
  // 10 parts of 64 KiB: workers 0 and 1 have parts 0 ... 4.
  CHECK(ck_placed_plan(nodes, 4, 10 << 16, 1 << 16, PAGE, r) == 2);
  CHECK(r[0].start == 0 && r[0].end == 5 << 16 && r[0].node == 0);
  CHECK(r[1].start == 5 << 16 && r[1].end == 10 << 16 && r[1].node == 1);
  // 10000 bytes are 2.44 pages: to the nearest, 2.
  CHECK(ck_placed_plan(nodes, 4, 20000, 10000, PAGE, r) == 2 && r[0].end == 8192 && r[1].end == 20000);
  // One part has one worker; two workers of four on other nodes get nothing.
  CHECK(ck_placed_plan(nodes, 4, 50000, 50000, PAGE, r) == 1 && r[0].node == 0);
  CHECK(ck_placed_plan(nodes, 4, 50000, SIZE_MAX, PAGE, r) == 1 && r[0].end == 50000);
  // 45 MB in halves: the boundary at 22.5 MB goes to a huge page's edge, and so does one of 15 MB ranges not.
  CHECK(ck_placed_plan(nodes, 4, 45000000, 11250000, PAGE, r) == 2 && r[0].end == 11 * (size_t)HUGE_PAGE);
  CHECK(ck_placed_plan(nodes, 4, 30000000, 7500000, PAGE, r) == 2 && r[0].end == 3662 * (size_t)PAGE);
  CHECK(ck_placed_plan((const uint32_t[]){1, 0, 1}, 3, 3 * PAGE, PAGE, PAGE, r) == 3 && r[1].node == 0);
}

typedef struct fill_job {
  char *start;
  size_t bytes, part_bytes;
} fill_job;
static char pattern(size_t i) { return (char)(i * 31 + i / 4096 * 7); }
static void fill_part(ck_worker *worker, const void *opaque, size_t part) {
  const fill_job *job = opaque;
  for (size_t i = part * job->part_bytes; i < ck_min(job->bytes, (part + 1) * job->part_bytes); ++i)
    job->start[i] = pattern(i);
}
static void fill(ck_worker *worker, const void *opaque) {
  const fill_job *job = opaque;
  ck_for_parts(worker, ck_ceil_div(job->bytes, job->part_bytes), fill_part, job);
}

typedef struct node_job {
  uint32_t *nodes;
} node_job;
static void note_node(ck_worker *worker, const void *opaque) {
  ((const node_job *)opaque)->nodes[ck_worker_index(worker)] = ck_worker_node(worker);
}

static void check_array(const ck_context *context, size_t bytes, size_t part_bytes, ck_placement placement,
                        uint32_t copies) {
  ck_placed *placed;
  CHECK(ck_placed_create(context, bytes, part_bytes, placement, 0, &placed) == CK_OK);
  if (placed == NULL) return;
  CHECK(ck_placed_copies(placed) == copies);
  CHECK(ck_placed_parts(placed) == ck_ceil_div(bytes, part_bytes));
  fill_job job = {ck_placed_start(placed), bytes, part_bytes};
  for (uint32_t node = 0; node < copies; ++node) {
    const char *copy = ck_placed_at(placed, node);
    CHECK((uintptr_t)copy % 64 == 0 && (node == 0) == (copy == job.start));
    bool zeros = true;
    for (size_t i = 0; i < bytes; ++i) zeros &= copy[i] == 0;
    CHECK(zeros);
#if !defined(GUARDED)
    CHECK(bytes < HUGE_PAGE || (uintptr_t)copy % HUGE_PAGE == 0);
#endif
  }
  CHECK(ck_submit(context, fill, &job, sizeof job, (ck_needs){0}) == CK_OK);
  CHECK(ck_placed_replicate(context, placed) == CK_OK);
  for (uint32_t node = 0; node < copies; ++node) {
    const char *copy = ck_placed_at(placed, node);
    bool same = true;
    for (size_t i = 0; i < bytes; ++i) same &= copy[i] == pattern(i);
    CHECK(same);
  }
  CHECK(ck_placed_at(placed, 1000) == ck_placed_start(placed));
  ck_placed_destroy(placed);
}

// The machine's nodes are not there, or are not as described: every binding is refused, and nothing else happens.
static void check_arrays(const ck_topology *topology, uint32_t workers) {
  ck_team *team;
  ck_context *context;
  CHECK(ck_team_create(topology, (ck_team_options){.workers = workers, .pin = true}, &team) == CK_OK);
  CHECK(ck_context_create(0, team, &context) == CK_OK);
  uint32_t nodes = ck_topology_describe(topology).nodes;
  uint32_t seen[MOST_WORKERS], units[MOST_WORKERS], planned[MOST_WORKERS];
  node_job note = {seen};
  CHECK(ck_submit(context, note_node, &note, sizeof note, (ck_needs){0}) == CK_OK);
  ck_topology_plan(topology, workers, units, planned);
  CHECK(memcmp(seen, planned, ck_team_workers(team) * sizeof *seen) == 0);
  seen[0] = 99;
  CHECK(ck_submit(context, note_node, &note, sizeof note, (ck_needs){.work_ns = 1}) == CK_OK && seen[0] == 0);
  const size_t sizes[] = {0, 1, 5000, (1 << 18) - 1, 300000, 5000001};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; ++i)
    for (ck_placement placement = CK_PLACE_DEFAULT; placement <= CK_PLACE_REPLICATED; ++placement) {
      bool copied = placement == CK_PLACE_REPLICATED && ck_memory_has_pages(sizes[i]);
      check_array(context, sizes[i], 10007, placement, copied ? nodes : 1);
      check_array(context, sizes[i], 1 << 20, placement, copied ? nodes : 1);
    }
  ck_placed *none;
  CHECK(ck_placed_create(context, 10, 0, CK_PLACE_DEFAULT, 0, &none) == CK_BAD_ARGUMENT && none == NULL);
  CHECK(ck_placed_create(context, 10, 1, (ck_placement)7, 0, &none) == CK_BAD_ARGUMENT && none == NULL);
  CHECK(ck_placed_create(context, 10, 1, CK_PLACE_NODE, nodes, &none) == CK_BAD_ARGUMENT && none == NULL);
  CHECK(ck_placed_create(context, SIZE_MAX - 5, 1, CK_PLACE_REPLICATED, 0, &none) == CK_NO_MEMORY && none == NULL);
  CHECK(ck_placed_create(context, SIZE_MAX - 5, 1, CK_PLACE_PARTITIONED, 0, &none) == CK_NO_MEMORY && none == NULL);
  void *memory;
  CHECK(ck_memory_create(topology, 5, CK_PLACE_PARTITIONED, 0, &memory) == CK_BAD_ARGUMENT && memory == NULL);
  ck_context_destroy(context);
  ck_team_destroy(team);
}

void check_placed(const ck_topology *topology) {
  check_known_plans();
  check_plans("core:4 pu:2", 1);
  check_plans("numa:2 core:8 pu:2", 2);
  check_plans("numa:2 core:3 pu:1", 2);
  check_plans("package:4 numa:2 core:2 pu:2", 8);
  check_arrays(topology, 2);
  const char *machines[] = {"numa:2 core:8 pu:2", "numa:2 core:1 pu:1", "numa:4 core:1 pu:1"};
  for (size_t i = 0; i < sizeof machines / sizeof *machines; ++i) {
    ck_topology *synthetic;
    if (ck_topology_create_synthetic(machines[i], &synthetic) != CK_OK) continue;
    for (uint32_t workers = 1; workers <= 4; ++workers) check_arrays(synthetic, workers);
    ck_topology_destroy(synthetic);
  }
}
