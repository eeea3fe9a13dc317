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

static size_t rows_of(size_t capacity) { return ck_round_up(capacity, CK_KEY_BLOCK); }

size_t ck_attention_cache_elements(size_t capacity, size_t kv_heads, size_t width) {
  size_t columns, elements;
  const bool fits = capacity <= SIZE_MAX / 8 && !__builtin_mul_overflow(kv_heads, width, &columns) &&
                    !__builtin_mul_overflow(columns, rows_of(capacity), &elements) && elements <= SIZE_MAX / 8;
  return fits ? elements : 0;
}

// f32 keys go into columns of their blocks.
static void append_columns(const cached_run *run, const float *key, float *keys) {
  const ck_attention_shape *shape = &run->attention.shape;
  for (size_t i = 0; i < shape->queries; i++, key += shape->query_row) {
    const size_t row = run->count + i;
    float *to = keys + row / CK_KEY_BLOCK * CK_KEY_BLOCK * shape->width + row % CK_KEY_BLOCK;
    for (size_t d = 0; d < shape->width; d++) to[d * CK_KEY_BLOCK] = key[d];
  }
}

static void append_rows(const cached_run *run, const char *from, char *to) {
  const ck_attention_shape *shape = &run->attention.shape;
  const size_t bytes = shape->width * run->job->element, row = shape->query_row * run->job->element;
  to += run->count * bytes;
  for (size_t i = 0; i < shape->queries; i++, from += row, to += bytes) memcpy(to, from, bytes);
}

// The new keys and values of one head.
static void append_head(ck_worker *worker, const void *opaque, size_t head) {
  const cached_run *run = opaque;
  const ck_attention_job *attention = &run->attention;
  const ck_attention_shape *shape = &attention->shape;
  const size_t element = run->job->element;
  const char *key = (const char *)attention->query + (shape->heads + head) * shape->width * element;
  char *keys = (char *)run->job->cache.keys + head * attention->key_head * element;
  if (attention->key_columns)
    append_columns(run, (const float *)key, (float *)keys);
  else
    append_rows(run, key, keys);
  append_rows(run, key + shape->kv_heads * shape->width * element,
              (char *)run->job->cache.values + head * attention->value_head * element);
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
  if (cache.capacity > 0 && ck_attention_cache_elements(cache.capacity, kv_heads, width) == 0) return CK_BAD_SHAPE;
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
  // Few queries take the time that reading the cache takes.
  const double rows = notes ? 0.5 * (double)cache.capacity : (double)shape.keys;
  const double reading = rows * (double)kv_columns * 2 * (double)job.element / 20;
  if (needs.work_ns < reading) needs.work_ns = reading;
  job.attention.query = qkv;
  job.attention.key = cache.keys;
  job.attention.value = cache.values;
  job.attention.output = output;
  job.attention.shape.key_row = job.attention.shape.value_row = width; // head by head
  job.attention.key_head = job.attention.value_head = rows_of(cache.capacity) * width;
  job.attention.key_columns = type == CK_F32;
  return ck_submit(context, run_cached, &job, sizeof job, needs);
}
