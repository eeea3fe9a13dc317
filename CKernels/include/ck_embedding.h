// Token and position embeddings.
#ifndef CK_EMBEDDING_H
#define CK_EMBEDDING_H
#include "ck_runtime.h"

// y[i, :] = table[ids[i], :] + positions[position_offset + i mod length, :],  0 <= i < rows
// table [vocabulary, columns]; positions [position_count, columns] or NULL for none (length and position_offset are
// then ignored). An id outside 0 ..< vocabulary, or a last position beyond position_count: CK_BAD_ARGUMENT, before
// anything is written.
ck_status ck_embedding_f32(const ck_context *context, const int32_t *ids, size_t rows, size_t columns,
                           const float *table, size_t vocabulary, const float *positions, size_t position_count,
                           size_t length, size_t position_offset, float *y);

// d_table[ids[i], :] += dy[i, :]   and   d_positions[i mod length, :] += dy[i, :], both in increasing i.
// d_positions NULL: not wanted. Workers split columns (table) and positions, so the bits do not depend on their number.
ck_status ck_embedding_backward_f32(const ck_context *context, const int32_t *ids, size_t rows, size_t columns,
                                    const float *dy, float *d_table, size_t vocabulary, float *d_positions,
                                    size_t position_count, size_t length);

const ck_variant *ck_embedding_variants(size_t *count);
#endif
