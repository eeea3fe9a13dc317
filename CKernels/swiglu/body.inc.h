#include "vector/math.inc.h"
#include "vector/typed.inc.h"

#include "vector/gelu.inc.h"
#include "vector/pairs.inc.h"

// Short rows end before prefetching by itself has begun: of what is `ahead` bytes away, in the next row, nothing is
// known but this. 0 does nothing.
#define SWIGLU_FETCH(p, j, type)                                                                                       \
  do {                                                                                                                 \
    const char *next = (const char *)(p) + (j) * ck_bytes_of(type) + ahead;                                            \
    __builtin_prefetch(next);                                                                                          \
    if ((type) == CK_F32) __builtin_prefetch(next + 64);                                                               \
  } while (0)

// Types and `streams` are constants where these are inlined.
CK_VECTOR vfloat CK_NAME(forward)(vfloat gate, vfloat up, ck_type type) {
  vfloat g = vmax((vfloat)(-87.0f), gate), e; // silu(-87) is -1e-36, and stays there
  return g * vlogistic(g * -CK_LOG2_E, type == CK_BF16, &e) * up;
}

// With e = exp(-g) and s = 1 / (1 + e): 1 - s = e s, without cancellation. The limits keep e and g e s finite.
CK_VECTOR void CK_NAME(backward)(vfloat dy, vfloat gate, vfloat up, vfloat *d_gate, vfloat *d_up, ck_type type) {
  vfloat g = vmax((vfloat)(-87.0f), gate), e;
  vfloat s = vlogistic(g * -CK_LOG2_E, type == CK_BF16, &e);
  *d_up = dy * (g * s);
  *d_gate = dy * up * (s * vfma(vmin((vfloat)(87.0f), g), e * s, (vfloat)(1.0f)));
}

CK_VECTOR void CK_NAME(forward_row)(const void *gate, const void *up, void *y, size_t count, size_t ahead, ck_type type,
                                    bool streams) {
  size_t j = 0;
  for (; j + 2 * CK_LANES <= count; j += 2 * CK_LANES) {
    vfloat g[2], u[2];
    SWIGLU_FETCH(gate, j, type);
    SWIGLU_FETCH(up, j, type);
    vload_two(gate, j, type, g);
    vload_two(up, j, type, u);
    for (size_t k = 0; k < 2; k++) g[k] = CK_NAME(forward)(g[k], u[k], type);
    vstore_two(y, j, g, type, streams);
  }
  for (size_t n; j < count; j += n) {
    n = ck_min(count - j, CK_LANES);
    vfloat g = vload_part_as(gate, j, n, 0, type), u = vload_part_as(up, j, n, 0, type);
    vstore_part_as(y, j, n, CK_NAME(forward)(g, u, type), type);
  }
}

CK_VECTOR void CK_NAME(backward_row)(const void *dy, const void *gate, const void *up, void *d_gate, void *d_up,
                                     size_t count, size_t ahead, ck_type type, bool streams) {
  size_t j = 0;
  for (; j + 2 * CK_LANES <= count; j += 2 * CK_LANES) {
    vfloat d[2], g[2], u[2], dg[2], du[2];
    vload_two(dy, j, type, d);
    SWIGLU_FETCH(gate, j, type);
    SWIGLU_FETCH(up, j, type);
    vload_two(gate, j, type, g);
    vload_two(up, j, type, u);
    for (size_t k = 0; k < 2; k++) CK_NAME(backward)(d[k], g[k], u[k], &dg[k], &du[k], type);
    vstore_two(d_gate, j, dg, type, streams);
    vstore_two(d_up, j, du, type, streams);
  }
  for (size_t n; j < count; j += n) {
    n = ck_min(count - j, CK_LANES);
    vfloat d = vload_part_as(dy, j, n, 0, type), dg, du;
    CK_NAME(backward)(d, vload_part_as(gate, j, n, 0, type), vload_part_as(up, j, n, 0, type), &dg, &du, type);
    vstore_part_as(d_gate, j, n, dg, type);
    vstore_part_as(d_up, j, n, du, type);
  }
}

#define SWIGLU(suffix, type, streams)                                                                                  \
  static void CK_NAME(forward_##suffix)(const swiglu_job *job, swiglu_block block) {                                   \
    for (size_t i = block.row; i < block.last_row; i++) {                                                              \
      const size_t in = i * job->input_row + block.column, out = i * job->width + block.column;                        \
      CK_NAME(forward_row)(AT(gate, in), AT(up, in), AT(y, out), block.columns, block.ahead, type, streams);           \
    }                                                                                                                  \
    vfence(streams);                                                                                                   \
  }                                                                                                                    \
  static void CK_NAME(backward_##suffix)(const swiglu_job *job, swiglu_block block) {                                  \
    for (size_t i = block.row; i < block.last_row; i++) {                                                              \
      const size_t in = i * job->input_row + block.column, out = i * job->width + block.column;                        \
      CK_NAME(backward_row)(AT(dy, out), AT(gate, in), AT(up, in), AT(d_gate, in), AT(d_up, in), block.columns,        \
                            block.ahead, type, streams);                                                               \
    }                                                                                                                  \
    vfence(streams);                                                                                                   \
  }
#define AT(array, element) (job->array + (element) * job->bytes)
SWIGLU(f32, CK_F32, false)
SWIGLU(f32_streaming, CK_F32, true)
SWIGLU(bf16, CK_BF16, false)
SWIGLU(bf16_streaming, CK_BF16, true)
#undef SWIGLU
#undef AT
#undef SWIGLU_FETCH
