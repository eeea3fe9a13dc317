// Scaled dot-product attention (Vaswani et al. 2017, section 3.2.1), without a queries x keys matrix in memory.
#ifndef CK_ATTENTION_H
#define CK_ATTENTION_H
#include "ck_matmul.h"

// What query i sees: CAUSAL, keys 0 ... keys - queries + i (needs queries <= keys); FULL, all of them.
typedef CK_ENUM(ck_attention_mask){CK_ATTENTION_CAUSAL = 0, CK_ATTENTION_FULL} ck_attention_mask;

// For sequence b and head h, with D = width, q_i at query + b query_batch + i query_row + h D, o_i alike, and k_j, v_j
// at those of head h kv_heads / heads (grouped-query attention, Ainslie et al. 2023):
//   s_ij = q_i . k_j / sqrt(D),   L_i = log sum_j exp(s_ij),   o_i = sum_j exp(s_ij - L_i) v_j
// All distances are in elements. Self-attention on packed rows [batch, length, (heads + 2 kv_heads) D] is three
// pointers into one array with the same distances.
typedef struct ck_attention_shape {
  size_t batch, queries, keys;
  size_t heads, kv_heads; // kv_heads divides heads; 0: as many
  size_t width;
  size_t query_row, query_batch, key_row, key_batch, value_row, value_batch, output_row, output_batch;
  // Those of the gradients; a row distance of 0: both distances are those of what it is the gradient of.
  size_t d_query_row, d_query_batch, d_key_row, d_key_batch, d_value_row, d_value_batch, d_output_row, d_output_batch;
} ck_attention_shape;

// type: of query, key, value and output, CK_F32 or CK_BF16; sums, softmax and log_sum_exp are f32. With bf16 and
// AVX512_BF16 or AMX the probabilities are rounded to bf16 before they meet the values, and bf16 denormals count as
// zero, in operands and results (with AMX also those of sums).
// log_sum_exp [batch, heads, queries] receives L in nats; NULL: not wanted.
// The bits of row i depend on that row, on the keys it sees and on the variant: not on the other queries in the call,
// on keys that it does not see (as long as they are finite, values may be anything) or on the number of workers. So
// causal decoding against a cache gives the same bits as the whole sequence at once.
ck_status ck_attention(const ck_context *context, ck_type type, ck_attention_mask mask, ck_attention_shape shape,
                       const void *query, const void *key, const void *value, void *output, float *log_sum_exp);

// The keys and values of one sequence in one layer, of which the first *count rows are known. How they lie there is
// nobody's business but ck_attention_cached's: head by head, in the order in which its products read them.
typedef struct ck_attention_cache {
  void *keys, *values; // ck_attention_cache_elements of the type each, with any contents
  size_t capacity;     // rows
  const int64_t *count;
} ck_attention_cache;
// 0 where there are more than can be addressed.
size_t ck_attention_cache_elements(size_t capacity, size_t kv_heads, size_t width);

// The next rows of that sequence: their keys and values become rows *count, *count + 1, … of the cache, and each sees
// those up to its own. qkv is [queries, (heads + 2 kv_heads) width], output [queries, heads width]; the bits are those
// of ck_attention on the whole sequence. *count stays as it is: whoever owns it counts the rows when all layers have
// them. It is read when the operation runs, so that a list can run again for the rows that follow. A call refuses a
// count without room for the rows (CK_BAD_ARGUMENT) before anything is written; when a list runs, nothing happens then.
ck_status ck_attention_cached(const ck_context *context, ck_type type, size_t queries, size_t heads, size_t kv_heads,
                              size_t width, ck_attention_cache cache, const void *qkv, void *output);

// Replaces d_query, d_key and d_value (of the type of the rest) by the gradients of sum do_i . o_i. With
// p_ij = exp(s_ij - L_i), output and log_sum_exp as the forward pass left them:
//   D_i = do_i . o_i,   ds_ij = p_ij (do_i . v_j - D_i),
//   dq_i = sum_j ds_ij k_j / sqrt(D),   dk_j = sum_i ds_ij q_i / sqrt(D),   dv_j = sum_i p_ij do_i
// (Dao et al. 2022, "FlashAttention", algorithm 4); dk and dv are summed over the heads of their group. With bf16 and
// AVX512_BF16 or AMX p is within 2^-13 of itself, p and ds are rounded to bf16 before the last three products, and
// results that are denormal in bf16 may be zero. One task per sequence and head of keys, in a fixed order inside: the
// same bits for any number of workers. All operands must be finite.
ck_status ck_attention_backward(const ck_context *context, ck_type type, ck_attention_mask mask,
                                ck_attention_shape shape, const void *d_output, const void *query, const void *key,
                                const void *value, const void *output, const float *log_sum_exp, void *d_query,
                                void *d_key, void *d_value);

const ck_variant *ck_attention_variants(size_t *count);      // of CK_F32
const ck_variant *ck_attention_bf16_variants(size_t *count); // of CK_BF16
#endif
