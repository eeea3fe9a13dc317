// OpenBLAS as a peer. The library's path is the argument, so that one program serves the distribution's and the newer
// one that numpy's wheel carries (64-bit integers, names with a prefix).
#define _GNU_SOURCE
#include "peer.h"
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ROW_MAJOR = 101, NO_TRANS = 111, TRANS = 112 };
typedef void gemm_32(int, int, int, int32_t, int32_t, int32_t, float, const float *, int32_t, const float *, int32_t,
                     float, float *, int32_t);
typedef void gemm_64(int, int, int, int64_t, int64_t, int64_t, float, const float *, int64_t, const float *, int64_t,
                     float, float *, int64_t);
typedef void gemv_32(int, int, int32_t, int32_t, float, const float *, int32_t, const float *, int32_t, float, float *,
                     int32_t);
typedef void gemv_64(int, int, int64_t, int64_t, float, const float *, int64_t, const float *, int64_t, float, float *,
                     int64_t);
typedef char *text_function(void);

static gemm_32 *sgemm_32;
static gemm_64 *sgemm_64;
static gemv_32 *sgemv_32;
static gemv_64 *sgemv_64;
static text_function *config, *core;
static peer_job job;
static float *a, **b, *c;

static void version(char *text, size_t capacity) {
  char name[64];
  snprintf(name, sizeof name, "%s", config());
  char *end = strchr(name, ' ') ? strchr(strchr(name, ' ') + 1, ' ') : NULL; // "OpenBLAS 0.3.21 NO_LAPACKE …"
  if (end) *end = 0;
  snprintf(text, capacity, "%s", name);
}

static void release(void) {
  for (int i = 0; i < job.copies; i++) peer_free(b[i]);
  peer_free(a);
  peer_free(c);
  free(b);
}

static void build(const peer_job *asked) {
  job = *asked;
  a = peer_allocate((size_t)(job.M * job.K) * 4);
  c = peer_allocate((size_t)(job.M * job.N) * 4);
  b = calloc((size_t)job.copies, sizeof *b);
  peer_fill_a(&job, a);
  for (int i = 0; i < job.copies; i++) {
    b[i] = peer_allocate((size_t)(job.N * job.K) * 4);
    if (i == 0)
      peer_fill_b(&job, b[0]);
    else
      memcpy(b[i], b[0], (size_t)(job.N * job.K) * 4);
  }
}

// A single row is a product of a matrix and a vector, for which the library has a routine of its own.
static void run_row(int copy) {
  int trans = job.b_transposed ? NO_TRANS : TRANS;
  int64_t rows = job.b_transposed ? job.N : job.K, columns = job.b_transposed ? job.K : job.N;
  if (sgemv_64)
    sgemv_64(ROW_MAJOR, trans, rows, columns, 1, b[copy], columns, a, 1, 0, c, 1);
  else
    sgemv_32(ROW_MAJOR, trans, (int32_t)rows, (int32_t)columns, 1, b[copy], (int32_t)columns, a, 1, 0, c, 1);
}

static void run(int copy) {
  if (job.M == 1) {
    run_row(copy);
    return;
  }
  int ta = job.a_transposed ? TRANS : NO_TRANS, tb = job.b_transposed ? TRANS : NO_TRANS;
  int64_t m = job.M, n = job.N, k = job.K, lda = job.a_transposed ? m : k, ldb = job.b_transposed ? k : n;
  if (sgemm_64)
    sgemm_64(ROW_MAJOR, ta, tb, m, n, k, 1, a, lda, b[copy], ldb, 0, c, n);
  else
    sgemm_32(ROW_MAJOR, ta, tb, (int32_t)m, (int32_t)n, (int32_t)k, 1, a, (int32_t)lda, b[copy], (int32_t)ldb, 0, c,
             (int32_t)n);
}

static int64_t least_time(void) {
  int64_t least = INT64_MAX;
  for (int i = 0; i < 4; i++) {
    int64_t before = peer_nanoseconds();
    run(i % job.copies);
    int64_t taken = peer_nanoseconds() - before;
    if (i > 0 && taken < least) least = taken;
  }
  return least;
}

static const char *prepare(const peer_job *asked, char *detail, size_t capacity) {
  if (asked->type != PEER_F32) return "OpenBLAS multiplies f32 only";
  peer_job chosen = *asked;
  build(&chosen);
  static bool pinned = false;
  if (!pinned) {
    run(0); // a product starts the workers that loading the library did not
    peer_pin_threads();
    pinned = true;
  }
  if (asked->packed) { // weights may be stored either way: the faster one
    int64_t transposed = least_time();
    release();
    chosen.b_transposed = false;
    build(&chosen);
    if (transposed < least_time()) {
      release();
      chosen.b_transposed = true;
      build(&chosen);
    }
  }
  snprintf(detail, capacity, "%s kernels, %s, weights %s", core(), job.M == 1 ? "sgemv" : "sgemm",
           job.b_transposed ? "N x K" : "K x N");
  return NULL;
}

static double result(int64_t m, int64_t n) { return c[m * job.N + n]; }

int main(int count, char **arguments) {
  if (count != 2) {
    fprintf(stderr, "usage: openblas LIBRARY\n");
    return 64;
  }
  // Both override what the library would choose for this CPU; it reads them when it is loaded.
  if (getenv("OPENBLAS_CORETYPE") || getenv("OPENBLAS_L2_SIZE")) {
    unsetenv("OPENBLAS_CORETYPE");
    unsetenv("OPENBLAS_L2_SIZE");
    execv("/proc/self/exe", arguments);
  }
  void *library = dlopen(arguments[1], RTLD_NOW);
  if (!library) {
    fprintf(stderr, "%s\n", dlerror());
    return 1;
  }
  sgemm_64 = (gemm_64 *)dlsym(library, "scipy_cblas_sgemm64_");
  sgemm_32 = (gemm_32 *)dlsym(library, "cblas_sgemm");
  sgemv_64 = (gemv_64 *)dlsym(library, "scipy_cblas_sgemv64_");
  sgemv_32 = (gemv_32 *)dlsym(library, "cblas_sgemv");
  config = (text_function *)dlsym(library, sgemm_64 ? "scipy_openblas_get_config64_" : "openblas_get_config");
  core = (text_function *)dlsym(library, sgemm_64 ? "scipy_openblas_get_corename64_" : "openblas_get_corename");
  bool usable = (sgemm_64 && sgemv_64) || (sgemm_32 && sgemv_32);
  if (!usable || !config || !core) {
    fprintf(stderr, "%s is not an OpenBLAS with cblas_sgemm and cblas_sgemv\n", arguments[1]);
    return 1;
  }
  return peer_serve(&(peer_library){version, prepare, run, result, release});
}
