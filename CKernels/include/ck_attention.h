// Causal scaled dot-product attention (Vaswani et al. 2017, section 3.2.1), without a queries x keys matrix in memory.
#ifndef CK_ATTENTION_H
#define CK_ATTENTION_H
#include "ck_runtime.h"

// Query i of a sequence stands at position p = keys - queries + i and sees keys 0 ... p. For sequence b and head h,
// with D = width, q_i at query + b query_batch + i query_row + h D, and k_j, v_j, o_i alike:
//   s_ij = q_i . k_j / sqrt(D),   L_i = log sum_j exp(s_ij),   o_i = sum_j exp(s_ij - L_i) v_j
// All distances are in elements.
typedef struct ck_attention_shape {
  size_t batch, queries, keys, heads, width;
  size_t query_row, query_batch, key_row, key_batch, value_row, value_batch, output_row, output_batch;
} ck_attention_shape;

// log_sum_exp [batch, heads, queries] receives L in nats; NULL: not wanted. queries <= keys.
// The bits of row i depend on that row, on the keys it sees and on the variant: not on the other queries in the call,
// on keys that come later (as long as they are finite) or on the number of workers. So decoding against a cache gives
// the same bits as the whole sequence at once.
ck_status ck_attention_f32(const ck_context *context, ck_attention_shape shape, const float *query, const float *key,
                           const float *value, float *output, float *log_sum_exp);

// Backward of self-attention on packed rows: qkv and d_qkv are [batch, length, 3, heads, width], output and d_output
// [batch, length, heads, width], log_sum_exp [batch, heads, length]. d_qkv is replaced. With p_ij = exp(s_ij - L_i):
//   D_i = do_i . o_i,   ds_ij = p_ij (do_i . v_j - D_i),
//   dq_i = sum_j ds_ij k_j / sqrt(D),   dk_j = sum_i ds_ij q_i / sqrt(D),   dv_j = sum_i p_ij do_i
// (Dao et al. 2022, "FlashAttention", algorithm 4). One task per sequence and head, in a fixed order inside.
ck_status ck_attention_backward_f32(const ck_context *context, size_t batch, size_t length, size_t heads, size_t width,
                                    const float *d_output, const float *qkv, const float *output,
                                    const float *log_sum_exp, float *d_qkv);

const ck_variant *ck_attention_variants(size_t *count);
#endif
