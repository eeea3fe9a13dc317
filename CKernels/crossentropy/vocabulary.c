// The head's product and its loss in chunks of rows: three products and one row operation a chunk, each on the same
// context, so that a list records them like anything else.
//   X = H W^T,   G = d loss / d X,   dW += G^T H,   dH = G W
// dW's element is one chain of multiply-adds over rows (ck_matmul.h), so the chunks leave no trace in its bits.
#include "ck_matmul.h"
#include "crossentropy/crossentropy.h"

enum {
  CHUNK_FLOATS = 1 << 20, // logits of a chunk that a cache may hold ...
  CHUNK_ROWS = 256,       // ... but no fewer rows: each chunk reads all the weights three times
};

size_t ck_vocabulary_chunk(size_t rows, size_t vocabulary) {
  size_t fitting = vocabulary ? CHUNK_FLOATS / vocabulary / 64 * 64 : rows;
  return ck_max(ck_min(rows, ck_max(fitting, CHUNK_ROWS)), 1);
}

size_t ck_vocabulary_workspace(size_t rows, size_t vocabulary, bool teacher) {
  return ck_vocabulary_chunk(rows, vocabulary) * vocabulary * (teacher ? 2 : 1);
}

static bool fits(size_t rows, size_t vocabulary, size_t columns) {
  size_t n;
  return vocabulary != 0 && vocabulary <= INT32_MAX && columns != 0 &&
         !__builtin_mul_overflow(ck_max(rows, 2 * CHUNK_ROWS), vocabulary, &n) && n < SIZE_MAX / 16 &&
         !__builtin_mul_overflow(ck_max(rows, vocabulary), columns, &n) && n < SIZE_MAX / 16;
}

// dW += G^T H and dH = G W for one chunk.
static ck_status spread(const ck_context *context, size_t rows, size_t vocabulary, size_t columns,
                        const float *gradient, const float *hidden, const float *weights, float *d_hidden,
                        float *d_weights) {
  ck_status status = ck_matmul_f32(context, vocabulary, columns, rows, gradient, CK_TRANSPOSED, hidden, CK_AS_IS,
                                   d_weights, CK_ACCUMULATE, NULL);
  if (status != CK_OK) return status;
  return ck_matmul_f32(context, rows, columns, vocabulary, gradient, CK_AS_IS, weights, CK_AS_IS, d_hidden, CK_REPLACE,
                       NULL);
}

ck_status ck_vocabulary_crossentropy_f32(const ck_context *context, size_t rows, size_t vocabulary, size_t columns,
                                         const float *hidden, const float *weights, const int32_t *targets,
                                         float gradient_scale, float *losses, float *d_hidden, float *d_weights,
                                         float *workspace) {
  if (rows == 0) return CK_OK;
  if (!fits(rows, vocabulary, columns)) return CK_BAD_SHAPE;
  if (!hidden || !weights || !targets || !losses || !workspace || !d_hidden != !d_weights) return CK_BAD_ARGUMENT;
  if (!ck_targets_in_range(targets, rows, vocabulary)) return CK_BAD_ARGUMENT;
  const size_t chunk = ck_vocabulary_chunk(rows, vocabulary);
  for (size_t i = 0; i < rows; i += chunk) {
    const size_t now = ck_min(chunk, rows - i);
    const float *h = hidden + i * columns;
    ck_status status = ck_matmul_f32(context, now, vocabulary, columns, h, CK_AS_IS, weights, CK_TRANSPOSED, workspace,
                                     CK_REPLACE, NULL);
    if (status == CK_OK)
      status = ck_crossentropy_f32(context, now, vocabulary, workspace, targets + i, gradient_scale,
                                   d_hidden ? workspace : NULL, losses + i);
    if (status == CK_OK && d_hidden)
      status = spread(context, now, vocabulary, columns, workspace, h, weights, d_hidden + i * columns, d_weights);
    if (status != CK_OK) return status;
  }
  return CK_OK;
}

ck_status ck_vocabulary_distillation_f32(const ck_context *context, size_t rows, size_t vocabulary, size_t columns,
                                         const float *hidden, const float *weights, ck_teacher teacher,
                                         const int32_t *targets, float temperature, float mixing, float gradient_scale,
                                         float *soft, float *hard, float *d_hidden, float *d_weights,
                                         float *workspace) {
  if (rows == 0) return CK_OK;
  if (!fits(rows, vocabulary, columns) || !fits(rows, vocabulary, teacher.columns)) return CK_BAD_SHAPE;
  if (!hidden || !weights || !teacher.hidden || !teacher.weights || !soft || !hard || !workspace ||
      !d_hidden != !d_weights)
    return CK_BAD_ARGUMENT;
  // All of it now: once products are submitted, or noted in a list, there is no way back.
  if (!ck_distillation_is_valid(targets, rows, vocabulary, temperature, mixing)) return CK_BAD_ARGUMENT;
  const size_t chunk = ck_vocabulary_chunk(rows, vocabulary);
  float *teacher_logits = workspace + chunk * vocabulary;
  for (size_t i = 0; i < rows; i += chunk) {
    const size_t now = ck_min(chunk, rows - i);
    const float *h = hidden + i * columns;
    ck_status status = ck_matmul_f32(context, now, vocabulary, columns, h, CK_AS_IS, weights, CK_TRANSPOSED, workspace,
                                     CK_REPLACE, NULL);
    if (status == CK_OK)
      status = ck_matmul_f32(context, now, vocabulary, teacher.columns, teacher.hidden + i * teacher.columns, CK_AS_IS,
                             teacher.weights, CK_TRANSPOSED, teacher_logits, CK_REPLACE, NULL);
    if (status == CK_OK)
      status =
          ck_distillation_f32(context, now, vocabulary, workspace, teacher_logits, targets ? targets + i : NULL,
                              temperature, mixing, gradient_scale, d_hidden ? workspace : NULL, soft + i, hard + i);
    if (status == CK_OK && d_hidden)
      status = spread(context, now, vocabulary, columns, workspace, h, weights, d_hidden + i * columns, d_weights);
    if (status != CK_OK) return status;
  }
  return CK_OK;
}
