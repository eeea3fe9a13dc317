// Drivers of the probes: validation, choice of variant, split over workers.
#include "probe/probe.h"
#include "runtime/isa.h"
#include "runtime/worker.h"

#define CK_BODY "probe/traffic.inc.h"
#include "runtime/each_width.inc.h"

static const ck_probe_compute_variant variants[] = {
#define CK_PROBE(NAME, needs, type, operations) {{#NAME, needs}, type},
#include "probe/variants.inc.h"
#undef CK_PROBE
};
static const struct {
  ck_probe_loop *loop;
  double operations;
} loops[] = {
#define CK_PROBE(NAME, needs, type, operations) {ck_probe_##NAME, operations},
#include "probe/variants.inc.h"
#undef CK_PROBE
};
enum { VARIANTS = sizeof variants / sizeof *variants };

const ck_probe_compute_variant *ck_probe_compute_variants(size_t *count) {
  *count = VARIANTS;
  return variants;
}

typedef struct compute_job {
  ck_probe_loop *loop;
  uint64_t iterations;
} compute_job;

static void compute(ck_worker *worker, const void *argument) {
  const compute_job *job = argument;
  volatile float sink = job->loop(job->iterations, 0.5f);
  (void)sink;
  ck_barrier(worker);
}

ck_status ck_probe_compute(const ck_context *context, ck_probe_type type, uint64_t iterations, double *operations) {
  const ck_isa isa = ck_context_isa(context);
  for (size_t i = 0; i < VARIANTS; i++) {
    if (variants[i].type != type || (isa & variants[i].variant.needs) != variants[i].variant.needs) continue;
    const compute_job job = {loops[i].loop, iterations};
    *operations = loops[i].operations * (double)iterations * ck_context_workers(context);
    return ck_submit(context, compute, &job, sizeof job, (ck_needs){0});
  }
  return CK_NO_KERNEL;
}

typedef float traffic_function(ck_probe_pattern, size_t, size_t, float *, float *, float *, float *);
typedef struct traffic_job {
  traffic_function *traffic;
  ck_probe_pattern pattern;
  size_t count;
  float *a, *b, *c, *d, *sink;
} traffic_job;

static void traffic(ck_worker *worker, const void *argument) {
  const traffic_job *job = argument;
  const size_t blocks = job->count / 64, workers = ck_worker_count(worker), index = ck_worker_index(worker);
  const size_t from = blocks * index / workers * 64, to = blocks * (index + 1) / workers * 64;
  job->sink[index] = job->traffic(job->pattern, from, to, job->a, job->b, job->c, job->d);
  ck_barrier(worker);
}

ck_status ck_probe_bandwidth(const ck_context *context, ck_probe_pattern pattern, size_t count, float *a, float *b,
                             float *c, float *d, float *sink) {
  if (count % 64) return CK_BAD_SHAPE;
  const ck_isa isa = ck_context_isa(context);
  traffic_job job = {traffic_portable, pattern, count, a, b, c, d, sink};
#if defined(__x86_64__)
  if ((isa & CK_ISA_AVX512) == CK_ISA_AVX512)
    job.traffic = traffic_avx512;
  else if ((isa & CK_ISA_AVX2) == CK_ISA_AVX2)
    job.traffic = traffic_avx2;
#else
  (void)isa;
#endif
  return ck_submit(context, traffic, &job, sizeof job, (ck_needs){0});
}

size_t ck_probe_bytes(ck_probe_pattern pattern, size_t count) {
  switch (pattern) {
  case CK_PROBE_READ:
  case CK_PROBE_WRITE:
  case CK_PROBE_STREAMING_WRITE:
    return count * 4;
  case CK_PROBE_COPY:
  case CK_PROBE_STREAMING_COPY:
  case CK_PROBE_UPDATE:
    return count * 8;
  case CK_PROBE_OPTIMIZER:
    return count * 28;
  }
  return 0;
}
