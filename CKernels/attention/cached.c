// Attention of the newest rows of a sequence, whose keys and values join the cache on the way.
#include "attention/attention.h"

typedef struct cached_job {
  ck_attention_job attention; // how many keys there are is known when it runs
  ck_attention_cache cache;
  size_t element; // bytes
} cached_job;

// One run of it: `count` keys were known before.
typedef struct cached_run {
  ck_attention_job attention;
  const cached_job *job;
  size_t count;
} cached_run;

// The new keys and values of one head.
static void append_head(ck_worker *worker, const void *opaque, size_t head) {
  const cached_run *run = opaque;
  const ck_attention_shape *shape = &run->attention.shape;
  const size_t element = run->job->element, bytes = shape->width * element;
  const size_t row = shape->query_row * element, cache_row = shape->key_row * element;
  const char *key = (const char *)run->attention.query + (shape->heads + head) * bytes;
  const size_t to_values = shape->kv_heads * bytes, at = run->count * cache_row + head * bytes;
  char *keys = (char *)run->job->cache.keys + at, *values = (char *)run->job->cache.values + at;
  for (size_t i = 0; i < shape->queries; i++) {
    memcpy(keys + i * cache_row, key + i * row, bytes);
    memcpy(values + i * cache_row, key + i * row + to_values, bytes);
  }
}

static void attend(ck_worker *worker, const void *opaque, size_t task) {
  const cached_run *run = opaque;
  run->attention.body(worker, &run->attention, task);
}

static void append_and_attend(ck_worker *worker, const void *opaque, size_t head) {
  append_head(worker, opaque, head);
  attend(worker, opaque, head);
}

static bool has_room(const ck_attention_cache *cache, size_t queries) {
  const uint64_t count = (uint64_t)*cache->count; // a negative one is too large
  return queries <= cache->capacity && count <= cache->capacity - queries;
}

static void run_cached(ck_worker *worker, const void *opaque) {
  const cached_job *job = opaque;
  cached_run run = {.attention = job->attention, .job = job, .count = (size_t)*job->cache.count};
  ck_attention_shape *shape = &run.attention.shape;
  if (!has_room(&job->cache, shape->queries)) return ck_barrier(worker);
  shape->keys = run.count + shape->queries;
  // A task that has a head of keys for itself appends them itself, and no other has to wait.
  if (run.attention.chunks == 1 && shape->kv_heads == shape->heads)
    return ck_for(worker, shape->heads, append_and_attend, &run);
  ck_for(worker, shape->kv_heads, append_head, &run);
  ck_for(worker, shape->heads * run.attention.chunks, attend, &run);
}

ck_status ck_attention_cached(const ck_context *context, ck_type type, size_t queries, size_t heads, size_t kv_heads,
                              size_t width, ck_attention_cache cache, const void *qkv, void *output) {
  if (kv_heads == 0) kv_heads = heads;
  if (!cache.count) return CK_BAD_ARGUMENT;
  // A list's estimate is for a full cache; a call's, for what is in it.
  const bool notes = ck_context_notes(context);
  if (notes ? queries > cache.capacity : !has_room(&cache, queries)) return CK_BAD_ARGUMENT;
  const size_t columns = heads * width, kv_columns = kv_heads * width, row = columns + 2 * kv_columns;
  const ck_attention_shape shape = {.batch = 1,
                                    .queries = queries,
                                    .keys = notes ? cache.capacity : (size_t)*cache.count + queries,
                                    .heads = heads,
                                    .kv_heads = kv_heads,
                                    .width = width,
                                    .query_row = row,
                                    .key_row = kv_columns,
                                    .value_row = kv_columns,
                                    .output_row = columns};
  cached_job job = {.cache = cache, .element = type == CK_BF16 ? 2 : 4};
  ck_needs needs;
  bool empty;
  ck_status status = ck_attention_plan(context, type, CK_ATTENTION_CAUSAL, shape, &job.attention, &needs, &empty);
  if (status != CK_OK || empty) return status;
  if (!cache.keys || !cache.values || !qkv || !output) return CK_BAD_ARGUMENT;
  job.attention.query = qkv;
  job.attention.key = cache.keys;
  job.attention.value = cache.values;
  job.attention.output = output;
  return ck_submit(context, run_cached, &job, sizeof job, needs);
}
