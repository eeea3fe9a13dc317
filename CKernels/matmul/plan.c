// Blocking from the sizes of the caches, and the split between workers. Van Zee and van de Geijn, "BLIS: A framework
// for rapidly instantiating BLAS functionality" (2015), and Low et al., "Analytical modeling is enough for
// high-performance BLIS" (2016). A block of A takes half of L2, and panels of B stream past it. Unlike there, no panel
// stays in L1: both come from L2 in a straight line, which costs nothing, and deeper blocks of K save passes over C.
#include "matmul/packed.h"

enum {
  FEW_PANELS = 2,                   // of A
  BLOCK_PANELS = 9,                 // of A in a block: the fewer, the deeper, and the fewer passes over C
  PARTIAL_BYTES = 4 << 20,          // of a task's sums, when C cannot hold them between blocks of K
  STRETCH_BYTES = 4 * CK_MASK_SEEK, // of a panel: it stays in L1 beside A
  SHARED_BYTES = 64 << 20,          // of panels packed at a time
};

// Packing one element costs about as much as so many multiply-adds, the more the faster these are; quantizing it, which
// takes two passes, six times that.
static double pack_cost(const ck_matmul_kernel *kernel) {
  const double by_rate = 0.055 * (double)kernel->rate; // ns times multiply-adds per ns
  return by_rate > 10 ? by_rate : 10;
}

// Blocks of K of nearly equal depth, whole units, a multiple of 8.
static void split_k(ck_matmul_job *job, ck_caches caches) {
  const ck_matmul_kernel *kernel = job->kernel;
  // What is not dense is entered where a chunk of it starts.
  const size_t chunk = job->packed && !job->dense ? CK_MASK_SEEK / kernel->unit_bytes * kernel->unit : 0;
  const size_t grain = ck_max(ck_max(kernel->unit, 8), chunk);
  size_t most = caches.l2 / 2 / (BLOCK_PANELS * kernel->mr * kernel->a_bytes);
  // Few panels of A may fill half of L2: B comes from memory then, and is faster in one go. Not where it is expanded
  // for them, into L2 as well.
  // Two expanded panels share L2 with the block of A.
  if (chunk) most = ck_min(most, caches.l2 / 16 * kernel->unit / kernel->unit_bytes);
  const size_t few = chunk && !job->packed->masked.tile ? 1 : FEW_PANELS;
  if (job->m <= few * kernel->mr && !ck_matmul_expands(kernel, job->m))
    most = ck_max(most, caches.l2 / 2 / (ck_max(job->m, 1) * kernel->a_bytes));
  const size_t blocks = ck_max(ck_ceil_div(job->k, ck_max(most, grain)), 1);
  job->kc = ck_max(ck_round_up(ck_ceil_div(job->k, blocks), grain), grain);
  job->k_blocks = ck_max(ck_ceil_div(job->k, job->kc), 1);
}

// Rows of the tallest of m_blocks blocks.
static size_t tallest(const ck_matmul_job *job, size_t m_blocks) {
  const size_t grain = ck_max(job->kernel->grain, 1);
  return ck_min(job->m, ck_ceil_div(ck_ceil_div(job->m, grain), m_blocks) * grain);
}

// Chooses m_blocks x n_blocks: the shortest time of the busiest worker, plus some of one task's time, since other work
// on the machine delays whole tasks. No block of rows is empty.
static void split(ck_matmul_job *job, size_t m_least, size_t panels, size_t workers) {
  const ck_matmul_kernel *kernel = job->kernel;
  const size_t m_most = ck_ceil_div(job->m, ck_max(kernel->grain, 1));
  const double pack = pack_cost(kernel), pack_a = job->quantizes ? 6 * pack : pack;
  double best = 0;
  job->m_blocks = m_least, job->n_blocks = 1;
  if (workers == 1) return;
  // With few rows each worker should read its own part of B, and nobody a part twice.
  const size_t most_waves = job->m <= FEW_PANELS * kernel->mr && panels >= workers ? 1 : 4;
  for (size_t n_blocks = 1; n_blocks <= ck_min(panels, 4 * workers); n_blocks += 1 + n_blocks / 4) {
    size_t before = 0;
    for (size_t waves = 1; waves <= most_waves; waves++) {
      const size_t m_blocks = most_waves == 1 ? m_least : ck_min(ck_max(m_least, waves * workers / n_blocks), m_most);
      if (m_blocks == before || m_blocks == 0) continue;
      before = m_blocks;
      const double rows = (double)tallest(job, m_blocks), high = rows < 4 ? 4 : rows;
      const double columns = (double)ck_ceil_div(panels, n_blocks) * kernel->nr;
      double task = (high * columns + rows * pack_a) * (double)job->k;
      // Panels in another form are expanded by each task that needs them, with many rows for the most part meanwhile.
      const double expand = rows > FEW_PANELS * kernel->mr ? pack / 6 : pack;
      if (job->packed && !job->dense) task += columns * expand * (double)job->k;
      if (m_blocks == 1 && !job->packed) task += columns * pack * (double)job->k;
      double time = task * (double)ck_ceil_div(m_blocks * n_blocks, workers) + 0.1 * task;
      if (m_blocks > 1 && !job->packed) time += pack * (double)job->n * (double)job->k / (double)workers;
      if (best == 0 || time < best) best = time, job->m_blocks = m_blocks, job->n_blocks = n_blocks;
    }
  }
}

ck_needs ck_matmul_plan(ck_matmul_job *job, ck_caches caches, size_t workers) {
  const ck_matmul_kernel *kernel = job->kernel;
  split_k(job, caches);
  const size_t kc = job->kc, panels = ck_ceil_div(job->n, kernel->nr);
  const size_t whole = ck_matmul_panel_bytes(kernel, job->k);
  const double work = (double)job->m * (double)job->n * (double)job->k;
  const double bytes = (double)job->m * (double)job->k * kernel->a_bytes + (double)panels * (double)whole;
  ck_needs needs = {.work_ns = work / (double)kernel->rate + bytes / (job->packed ? 20 : 12)};
  if (needs.work_ns < 2e3) workers = 1; // too small for a team, even in a list
  const size_t most = ck_max(caches.l2 / 2 / (kc * kernel->a_bytes), kernel->mr);
  split(job, ck_ceil_div(job->m, most), panels, workers);
  job->m_block = tallest(job, job->m_blocks);
  job->own_panels = !job->dense && (job->m_blocks == 1 || job->packed);
  job->chunk = panels;
  if (!job->dense && !job->own_panels) {
    const size_t budget = ck_max(caches.l3 / 2, (size_t)8 << 20) / ck_max(whole, 1);
    // Some panels for every worker, be they as deep as they may; several, so that none waits long, up to a size.
    const size_t several = ck_max(workers, ck_min(4 * workers, SHARED_BYTES / ck_max(whole, 1)));
    const size_t chunks = ck_ceil_div(panels, ck_max(budget, ck_min(panels, several)));
    job->chunk = ck_ceil_div(panels, chunks);
    job->n_blocks = ck_min(job->n_blocks, job->chunk);
    job->pack_tasks = ck_min(4 * workers, job->chunk);
    needs.shared_bytes = job->chunk * whole;
  }
  job->partials = job->k_blocks > 1 && (job->c_element < 4 || job->partials);
  if (job->partials) {
    const size_t columns = ck_max(PARTIAL_BYTES / 4 / job->m_block, kernel->nr);
    job->n_blocks = ck_min(ck_max(job->n_blocks, ck_ceil_div(job->chunk * kernel->nr, columns)), job->chunk);
  }
  job->panels_at = ck_matmul_block_bytes(kernel, job->m_block, kc);
  job->wide_at = job->panels_at;
  if (job->packed && !job->dense) job->stretch = ck_max(STRETCH_BYTES / kernel->unit_bytes, 1);
  if (job->own_panels) {
    // In stretches: what follows the panels behind them, as far apart.
    const size_t bytes = ck_max(ck_matmul_panel_bytes(kernel, kc), 2 * job->stretch * kernel->unit_bytes);
    const size_t count = ck_matmul_panels(kernel, ck_min(job->m, kernel->mr));
    job->panel_bytes = ck_matmul_panel_bytes(kernel, kc);
    job->wide_at += (job->packed ? 2 : count) * bytes; // one is expanded while another is multiplied
  }
  job->sums_at = job->wide_at + (kernel->expand ? ck_matmul_panel_bytes(kernel->dense, kc) : 0);
  job->scales_at = job->sums_at + (size_t)CK_MATMUL_BUFFER * 4 + CK_MATMUL_SLACK;
  job->partials_at = job->scales_at + (job->quantizes ? ck_round_up(job->m_block * 4, 64) : 0);
  const size_t task_columns = ck_ceil_div(job->chunk, job->n_blocks) * kernel->nr;
  needs.worker_bytes = job->partials_at + (job->partials ? job->m_block * task_columns * 4 : 0) + CK_MATMUL_SLACK;
  return needs;
}
