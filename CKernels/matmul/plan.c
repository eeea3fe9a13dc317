// Blocking from the sizes of the caches, and the split between workers. Van Zee and van de Geijn, "BLIS: A framework
// for rapidly instantiating BLAS functionality" (2015), and Low et al., "Analytical modeling is enough for
// high-performance BLIS" (2016): a panel of B stays in L1, a block of A in L2.
#include "matmul/driver.h"

// Packing one element costs about as much as this many multiply-adds.
static const double pack_cost = 10;

ck_matmul_blocks ck_matmul_split_k(const ck_matmul_kernel *kernel, ck_caches caches, size_t k) {
  const size_t most = ck_max(caches.l1d * 3 / 4 / ((size_t)kernel->nr * kernel->b_bytes), 64);
  const size_t blocks = ck_max(ck_ceil_div(k, most), 1);
  const size_t kc = ck_max(ck_round_up(ck_ceil_div(k, blocks), 8), 8);
  return (ck_matmul_blocks){.kc = kc, .k_blocks = ck_max(ck_ceil_div(k, kc), 1)};
}

// Chooses m_blocks x n_blocks: the shortest time of the busiest worker, plus some of one task's time, since other work
// on the machine delays whole tasks.
static void split(ck_matmul_job *job, size_t m_least, size_t panels, size_t workers) {
  const ck_matmul_kernel *kernel = job->kernel;
  double best = 0;
  job->m_blocks = m_least, job->n_blocks = 1;
  if (workers == 1) return;
  for (size_t n_blocks = 1; n_blocks <= ck_min(panels, 4 * workers); n_blocks += 1 + n_blocks / 4) {
    size_t before = 0;
    for (size_t waves = 1; waves <= 4; waves++) {
      const size_t m_blocks = ck_min(ck_max(m_least, waves * workers / n_blocks), job->m);
      if (m_blocks == before || m_blocks == 0) continue;
      before = m_blocks;
      const double rows = (double)ck_ceil_div(job->m, m_blocks), high = rows < 4 ? 4 : rows;
      const double columns = (double)ck_ceil_div(panels, n_blocks) * kernel->nr;
      double task = (high * columns + rows * pack_cost) * (double)job->k;
      if (m_blocks == 1 && !job->packed) task += columns * pack_cost * (double)job->k;
      double time = task * (double)ck_ceil_div(m_blocks * n_blocks, workers) + 0.1 * task;
      if (m_blocks > 1 && !job->packed) time += pack_cost * (double)job->n * (double)job->k / (double)workers;
      if (best == 0 || time < best) best = time, job->m_blocks = m_blocks, job->n_blocks = n_blocks;
    }
  }
}

ck_needs ck_matmul_plan(ck_matmul_job *job, ck_caches caches, size_t workers) {
  const ck_matmul_kernel *kernel = job->kernel;
  if (!job->packed) job->blocks = ck_matmul_split_k(kernel, caches, job->k);
  const size_t kc = job->blocks.kc, k_blocks = job->blocks.k_blocks, panels = ck_ceil_div(job->n, kernel->nr);
  const size_t panel_bytes = ck_matmul_panel_bytes(kernel, kc);
  const double work = (double)job->m * (double)job->n * (double)job->k;
  const double bytes = (double)kernel->element * (double)job->k * ((double)job->m + (double)job->n);
  ck_needs needs = {.work_ns = work / (double)kernel->rate + bytes / (job->packed ? 20 : 12)};
  if (needs.work_ns < 2e3) workers = 1; // too small for a team, even in a list
  const size_t most = ck_max(caches.l2 / 2 / (kc * kernel->a_bytes), kernel->mr);
  split(job, ck_ceil_div(job->m, most), panels, workers);
  job->m_block = ck_ceil_div(job->m, job->m_blocks);
  job->own_panels = !job->packed && job->m_blocks == 1;
  job->chunk = panels;
  needs.worker_bytes = ck_matmul_block_bytes(kernel, job->m_block, kc);
  if (job->own_panels)
    needs.worker_bytes += ck_matmul_panels(kernel->mr, ck_min(job->m, kernel->mr)) * panel_bytes;
  else if (!job->packed) {
    const size_t budget = ck_max(caches.l3 / 2, (size_t)8 << 20) / (k_blocks * panel_bytes);
    const size_t chunks = ck_ceil_div(panels, ck_max(budget, ck_min(panels, 4 * workers)));
    job->chunk = ck_ceil_div(panels, chunks);
    job->n_blocks = ck_min(job->n_blocks, job->chunk);
    job->pack_tasks = ck_min(ck_ceil_div(4 * workers, k_blocks), job->chunk);
    needs.shared_bytes = job->chunk * k_blocks * panel_bytes;
  }
  return needs;
}
