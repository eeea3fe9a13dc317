// oneDNN's matmul primitive as a peer. A process of its own because the library brings libgomp, which fights with the
// OpenMP runtime of the kernels that it is compared with. Weights are reordered ahead into the layout that it prefers.
#include "peer.h"
#include <dnnl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if DNNL_VERSION_MAJOR >= 3
typedef dnnl_memory_desc_t layout; // a handle since version 3
#define LAYOUT(x) (x)
#else
typedef dnnl_memory_desc_t layout;
#define LAYOUT(x) (&(x))
#endif

static dnnl_engine_t engine;
static dnnl_stream_t stream;
static peer_job job;
static dnnl_primitive_t primitive;
static dnnl_memory_t source, destination, *weights;
static void *source_bytes, *destination_bytes, **weight_bytes;

static layout describe(int64_t rows, int64_t columns, dnnl_data_type_t type, dnnl_format_tag_t tag) {
  layout made = {0};
  dnnl_dims_t extents = {rows, columns};
#if DNNL_VERSION_MAJOR >= 3
  dnnl_memory_desc_create_with_tag(&made, 2, extents, type, tag);
#else
  dnnl_memory_desc_init_by_tag(&made, 2, extents, type, tag);
#endif
  return made;
}

static dnnl_memory_t allocate(const layout made, void **bytes) {
  dnnl_memory_t memory = NULL;
  *bytes = peer_allocate(dnnl_memory_desc_get_size(LAYOUT(made)));
  dnnl_memory_create(&memory, LAYOUT(made), engine, *bytes);
  return memory;
}

static void execute(dnnl_primitive_t what, int count, const dnnl_exec_arg_t *arguments) {
  if (dnnl_primitive_execute(what, stream, count, arguments) != dnnl_success ||
      dnnl_stream_wait(stream) != dnnl_success) {
    fprintf(stderr, "oneDNN could not execute the primitive\n");
    exit(1);
  }
}

static void reorder(dnnl_memory_t from, const layout from_layout, dnnl_memory_t to, const layout to_layout) {
  dnnl_primitive_desc_t description = NULL;
  dnnl_primitive_t move = NULL;
  if (dnnl_reorder_primitive_desc_create(&description, LAYOUT(from_layout), engine, LAYOUT(to_layout), engine, NULL) !=
          dnnl_success ||
      dnnl_primitive_create(&move, description) != dnnl_success) {
    fprintf(stderr, "oneDNN cannot reorder the weights\n");
    exit(1);
  }
  execute(move, 2, (dnnl_exec_arg_t[]){{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}});
  dnnl_primitive_destroy(move);
  dnnl_primitive_desc_destroy(description);
}

static void version(char *text, size_t capacity) {
  const dnnl_version_t *is = dnnl_version();
  snprintf(text, capacity, "oneDNN %d.%d.%d", is->major, is->minor, is->patch);
}

static dnnl_status_t choose(dnnl_primitive_desc_t *chosen, layout a, layout b, layout c) {
#if DNNL_VERSION_MAJOR >= 3
  return dnnl_matmul_primitive_desc_create(chosen, engine, a, b, NULL, c, NULL);
#else
  dnnl_matmul_desc_t asked;
  dnnl_status_t status = dnnl_matmul_desc_init(&asked, &a, &b, NULL, &c);
  return status == dnnl_success ? dnnl_primitive_desc_create(chosen, &asked, NULL, engine, NULL) : status;
#endif
}

static layout copied(const_dnnl_primitive_desc_t description) {
  layout made = {0};
#if DNNL_VERSION_MAJOR >= 3
  dnnl_memory_desc_clone(&made, dnnl_primitive_desc_query_md(description, dnnl_query_weights_md, 0));
#else
  made = *dnnl_primitive_desc_query_md(description, dnnl_query_weights_md, 0);
#endif
  return made;
}

static const char *prepare(const peer_job *asked, char *detail, size_t capacity) {
  job = *asked;
  dnnl_data_type_t type = job.type == PEER_F32 ? dnnl_f32 : job.type == PEER_BF16 ? dnnl_bf16 : dnnl_s8;
  dnnl_data_type_t out = job.type == PEER_S8 ? dnnl_s32 : type;
  layout a = describe(job.M, job.K, type, job.a_transposed ? dnnl_ba : dnnl_ab);
  layout plain = describe(job.K, job.N, type, job.b_transposed ? dnnl_ba : dnnl_ab);
  layout c = describe(job.M, job.N, out, dnnl_ab);
  dnnl_primitive_desc_t chosen = NULL;
  layout preferred = job.packed ? describe(job.K, job.N, type, dnnl_format_tag_any) : plain;
  if (choose(&chosen, a, preferred, c) != dnnl_success) return "oneDNN has no such matmul on this CPU";
  if (dnnl_primitive_create(&primitive, chosen) != dnnl_success) return "oneDNN cannot create this matmul";
  const char *implementation = "";
  dnnl_primitive_desc_query(chosen, dnnl_query_impl_info_str, 0, &implementation);
  snprintf(detail, capacity, "%s%s", implementation, job.packed ? ", weights reordered ahead" : "");
  layout kept = copied(chosen);
  dnnl_primitive_desc_destroy(chosen);

  source = allocate(a, &source_bytes);
  destination = allocate(c, &destination_bytes);
  peer_fill_a(&job, source_bytes);
  void *plain_bytes = NULL;
  dnnl_memory_t plain_weights = allocate(plain, &plain_bytes);
  peer_fill_b(&job, plain_bytes);
  weights = calloc((size_t)job.copies, sizeof *weights);
  weight_bytes = calloc((size_t)job.copies, sizeof *weight_bytes);
  for (int i = 0; i < job.copies; i++) {
    weights[i] = allocate(kept, &weight_bytes[i]);
    reorder(plain_weights, plain, weights[i], kept);
  }
  dnnl_memory_destroy(plain_weights);
  peer_free(plain_bytes);
#if DNNL_VERSION_MAJOR >= 3
  if (job.packed) dnnl_memory_desc_destroy(preferred);
  dnnl_memory_desc_destroy(a);
  dnnl_memory_desc_destroy(plain);
  dnnl_memory_desc_destroy(c);
  dnnl_memory_desc_destroy(kept);
#endif
  return NULL;
}

static void run(int copy) {
  execute(primitive, 3,
          (dnnl_exec_arg_t[]){{DNNL_ARG_SRC, source}, {DNNL_ARG_WEIGHTS, weights[copy]}, {DNNL_ARG_DST, destination}});
}

static double result(int64_t m, int64_t n) {
  int64_t at = m * job.N + n;
  if (job.type == PEER_S8) return ((int32_t *)destination_bytes)[at];
  if (job.type == PEER_F32) return ((float *)destination_bytes)[at];
  uint32_t bits = (uint32_t)((uint16_t *)destination_bytes)[at] << 16;
  float value;
  memcpy(&value, &bits, 4);
  return value;
}

static void release(void) {
  for (int i = 0; i < job.copies; i++) {
    dnnl_memory_destroy(weights[i]);
    peer_free(weight_bytes[i]);
  }
  free(weights);
  free(weight_bytes);
  dnnl_memory_destroy(source);
  dnnl_memory_destroy(destination);
  peer_free(source_bytes);
  peer_free(destination_bytes);
  dnnl_primitive_destroy(primitive);
}

int main(void) {
  if (dnnl_engine_create(&engine, dnnl_cpu, 0) != dnnl_success ||
      dnnl_stream_create(&stream, engine, dnnl_stream_default_flags) != dnnl_success) {
    fprintf(stderr, "oneDNN has no CPU engine here\n");
    return 1;
  }
  return peer_serve(&(peer_library){version, prepare, run, result, release});
}
