// Token and position embeddings.
#ifndef CK_EMBEDDING_H
#define CK_EMBEDDING_H
#include "ck_matmul.h" // ck_store
#include "ck_runtime.h"

// Ids are read when the operation runs. A call checks them first and refuses the ones outside 0 ..< vocabulary with
// CK_BAD_ARGUMENT, before anything is written. A list looks at none when an operation is noted, so that it can run
// again with others in the same place; when it runs, rows of y whose ids are outside are left as they are, and rows of
// dy are left out of the sums over the table.

// y[i, :] = table[ids[i], :] + positions[position_offset + i mod length, :],  0 <= i < rows
// table [vocabulary, columns]; positions [position_count, columns] or NULL for none (length and position_offset are
// then ignored). A last position beyond position_count: CK_BAD_ARGUMENT.
ck_status ck_embedding_f32(const ck_context *context, const int32_t *ids, size_t rows, size_t columns,
                           const float *table, size_t vocabulary, const float *positions, size_t position_count,
                           size_t length, size_t position_offset, float *y);

// The same for one sequence that goes on, its first row at position *offset, which is read like the ids: a call refuses
// positions outside with CK_BAD_ARGUMENT; when a list runs, rows of y whose positions are outside are left as they are.
ck_status ck_embedding_after_f32(const ck_context *context, const int32_t *ids, size_t rows, size_t columns,
                                 const float *table, size_t vocabulary, const float *positions, size_t position_count,
                                 const int64_t *offset, float *y);

// d_table[ids[i], :] += dy[i, :]   and   d_positions[i mod length, :] += dy[i, :], both in increasing i.
// CK_REPLACE: rows that are named begin with 0 instead of what they hold. In both cases the rows that are not named are
// neither read nor written, so that the cost is that of the rows of dy, whatever the size of the table.
// d_positions NULL: not wanted. Workers split columns (table) and positions, so the bits do not depend on their number.
ck_status ck_embedding_backward_f32(const ck_context *context, const int32_t *ids, size_t rows, size_t columns,
                                    const float *dy, float *d_table, size_t vocabulary, float *d_positions,
                                    size_t position_count, size_t length, ck_store store);

const ck_variant *ck_embedding_variants(size_t *count);
#endif
