// Large buffers and scratch pages.
#include "runtime/quota.h"
#include "runtime/team.h"
#include "runtime/topology.h"
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CK_GUARDED 1 // all memory comes from the sanitizer's allocator, so that it sees overruns
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define CK_GUARDED 1
#endif

#if defined(CK_GUARDED)
static const size_t most = (size_t)1 << 40; // the sanitizer ends the process when asked for more
#else
static const size_t most = SIZE_MAX;
#endif

enum { LINE = 64, MAPPED_FROM = 1 << 18, HUGE_PAGE = 1 << 21 };

bool ck_memory_has_pages(size_t bytes) {
#if defined(CK_GUARDED)
  return false;
#else
  return bytes >= MAPPED_FROM;
#endif
}

// Fresh pages, on a huge page's boundary when they fill one.
static void *map(size_t bytes) {
  size_t slack = bytes >= HUGE_PAGE ? HUGE_PAGE : 0;
  if (bytes > SIZE_MAX - slack) return NULL;
  char *start = mmap(NULL, bytes + slack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (start == MAP_FAILED) return NULL;
  if (slack != 0) {
    size_t before = (HUGE_PAGE - (uintptr_t)start % HUGE_PAGE) % HUGE_PAGE;
    if (before > 0) munmap(start, before);
    start += before;
    munmap(start + bytes, slack - before);
#if defined(MADV_HUGEPAGE)
    madvise(start, bytes, MADV_HUGEPAGE); // advice: refusal changes speed only
#endif
  }
  return start;
}

// What a request of `bytes` really occupies: at least a line, whole pages when mapped. 0 when it overflows.
static size_t extent(size_t bytes) {
  size_t grain = ck_memory_has_pages(bytes) ? 1 << 16 : LINE;
  if (bytes > most - grain) return 0;
  return ck_round_up(bytes == 0 ? 1 : bytes, grain);
}

ck_status ck_memory_create(const ck_topology *topology, size_t bytes, ck_placement placement, uint32_t node,
                           void **out) {
  *out = NULL;
  // The other placements are of a team's, not of a machine's: runtime/placed.h.
  if (placement < CK_PLACE_DEFAULT || placement > CK_PLACE_NODE) return CK_BAD_ARGUMENT;
  if (placement == CK_PLACE_NODE && node >= ck_topology_describe(topology).nodes) return CK_BAD_ARGUMENT;
  size_t whole = extent(bytes);
  if (whole == 0) return CK_NO_MEMORY;
  void *start = ck_memory_has_pages(bytes) ? map(whole) : aligned_alloc(LINE, whole);
  if (start == NULL) return CK_NO_MEMORY;
  if (!ck_memory_has_pages(bytes))
    memset(start, 0, whole);
  else if (placement != CK_PLACE_DEFAULT)
    ck_topology_place(topology, start, whole, placement, node);
  *out = start;
  return CK_OK;
}

void ck_memory_destroy(void *memory, size_t bytes) {
  if (memory == NULL) return;
  if (ck_memory_has_pages(bytes))
    munmap(memory, extent(bytes));
  else
    free(memory);
}

size_t ck_memory_available(void) { return ck_available_bytes(""); }

void *ck_pages_create(size_t bytes) {
#if defined(CK_GUARDED)
  return bytes <= most - LINE ? aligned_alloc(LINE, ck_round_up(bytes, LINE)) : NULL;
#else
  return map(bytes);
#endif
}

void ck_pages_destroy(void *pages, size_t bytes) {
  if (pages == NULL) return;
#if defined(CK_GUARDED)
  free(pages);
#else
  munmap(pages, bytes);
#endif
}
