// One row of heads, turned by the angles of its position. Types and `streams` are constants where these are inlined.
#include "vector/math.inc.h"
#include "vector/typed.inc.h"

// a and b turn; s carries the sign of the direction.
CK_VECTOR void CK_NAME(turn)(vfloat c, vfloat s, vfloat *a, vfloat *b) {
  vfloat x = *a;
  *a = vfma(x, c, -(*b * s));
  *b = vfma(*b, c, x * s);
}

#if CK_LANES == 16
#define ROPE_EVENS 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30
#define ROPE_ODDS 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31
#define ROPE_LOW 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define ROPE_HIGH 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
#elif CK_LANES == 8
#define ROPE_EVENS 0, 2, 4, 6, 8, 10, 12, 14
#define ROPE_ODDS 1, 3, 5, 7, 9, 11, 13, 15
#define ROPE_LOW 0, 8, 1, 9, 2, 10, 3, 11
#define ROPE_HIGH 4, 12, 5, 13, 6, 14, 7, 15
#else
#define ROPE_EVENS 0, 2, 4, 6
#define ROPE_ODDS 1, 3, 5, 7
#define ROPE_LOW 0, 4, 1, 5
#define ROPE_HIGH 2, 6, 3, 7
#endif

CK_VECTOR void CK_NAME(turn_interleaved)(vfloat c, vfloat s, vfloat v[2]) {
  vfloat a = __builtin_shufflevector(v[0], v[1], ROPE_EVENS), b = __builtin_shufflevector(v[0], v[1], ROPE_ODDS);
  CK_NAME(turn)(c, s, &a, &b);
  v[0] = __builtin_shufflevector(a, b, ROPE_LOW);
  v[1] = __builtin_shufflevector(a, b, ROPE_HIGH);
}
#undef ROPE_EVENS
#undef ROPE_ODDS
#undef ROPE_LOW
#undef ROPE_HIGH

// CK_LANES pairs of bf16, each pair one word: its halves are floats but for a shift or a mask.
CK_VECTOR void CK_NAME(turn_words)(vfloat c, vfloat s, const void *x, void *y, bool streams) {
  vuint words;
  __builtin_memcpy(&words, x, sizeof words);
  vfloat a = (vfloat)(words << 16), b = (vfloat)(words & 0xffff0000u);
  CK_NAME(turn)(c, s, &a, &b);
  words = vround_bf16(a) >> 16 | (vround_bf16(b) & 0xffff0000u);
  if (streams)
    __builtin_nontemporal_store(words, (vuint *)y);
  else
    __builtin_memcpy(y, &words, sizeof words);
}

CK_VECTOR void CK_NAME(interleaved_head)(const float *cosine, const float *sine, float sign, size_t pairs,
                                         const void *x, void *y, ck_type type, bool streams) {
  size_t k = 0;
  for (; k + CK_LANES <= pairs; k += CK_LANES) {
    vfloat c = vload(cosine + k), s = vload(sine + k) * sign;
    if (type == CK_BF16) {
      CK_NAME(turn_words)(c, s, (const uint16_t *)x + 2 * k, (uint16_t *)y + 2 * k, streams);
    } else {
      vfloat v[2] = {vload_as(x, 2 * k, type), vload_as(x, 2 * k + CK_LANES, type)};
      CK_NAME(turn_interleaved)(c, s, v);
      vstore_pair_as(y, 2 * k, v[0], v[1], type, streams);
    }
  }
  if (k < pairs) {
    size_t n = 2 * (pairs - k), low = ck_min(n, CK_LANES), high = n - low;
    vfloat c = vload_part(cosine + k, pairs - k, 0), s = vload_part(sine + k, pairs - k, 0) * sign;
    vfloat v[2] = {vload_part_as(x, 2 * k, low, 0, type), 0};
    if (high > 0) v[1] = vload_part_as(x, 2 * k + CK_LANES, high, 0, type);
    CK_NAME(turn_interleaved)(c, s, v);
    vstore_part_as(y, 2 * k, low, v[0], type);
    if (high > 0) vstore_part_as(y, 2 * k + CK_LANES, high, v[1], type);
  }
}

CK_VECTOR void CK_NAME(halves_head)(const float *cosine, const float *sine, float sign, size_t pairs, const void *x,
                                    void *y, ck_type type, bool streams) {
  size_t k = 0;
  for (; k + 2 * CK_LANES <= pairs; k += 2 * CK_LANES) {
    vfloat a[2], b[2];
    for (size_t i = 0; i < 2; i++) {
      const size_t at = k + i * CK_LANES;
      a[i] = vload_as(x, at, type), b[i] = vload_as(x, pairs + at, type);
      CK_NAME(turn)(vload(cosine + at), vload(sine + at) * sign, &a[i], &b[i]);
    }
    vstore_pair_as(y, k, a[0], a[1], type, streams);
    vstore_pair_as(y, pairs + k, b[0], b[1], type, streams);
  }
  for (size_t n; k < pairs; k += n) {
    n = ck_min(pairs - k, CK_LANES);
    vfloat a = vload_part_as(x, k, n, 0, type), b = vload_part_as(x, pairs + k, n, 0, type);
    CK_NAME(turn)(vload_part(cosine + k, n, 0), vload_part(sine + k, n, 0) * sign, &a, &b);
    vstore_part_as(y, k, n, a, type);
    vstore_part_as(y, pairs + k, n, b, type);
  }
}

#if defined(__x86_64__)
#define ROPE_FENCE() __builtin_ia32_sfence() // other workers must see streamed lines after the barrier
#else
#define ROPE_FENCE() ((void)0)
#endif
// The same head of the next row is fetched: of packed rows a part is left out, where prefetching by itself stops.
#define ROPE(layout, suffix, type, streams)                                                                            \
  static void CK_NAME(layout##_##suffix)(const rope_job *job, size_t first, size_t last) {                             \
    const ck_rope_shape *shape = &job->shape;                                                                          \
    const size_t pairs = shape->width / 2, bytes = ck_bytes_of(type);                                                  \
    for (size_t i = first; i < last; i++) {                                                                            \
      const size_t angles = (shape->first_position + i % shape->length) * pairs;                                       \
      for (size_t h = 0; h < shape->heads; h++) {                                                                      \
        const char *x = job->x + (i * shape->x_row + h * shape->x_head) * bytes;                                       \
        for (size_t k = 0; k < shape->width * bytes; k += 64) __builtin_prefetch(x + shape->x_row * bytes + k);        \
        CK_NAME(layout##_head)(job->cosine + angles, job->sine + angles, job->sign, pairs, x,                          \
                               job->y + (i * shape->y_row + h * shape->y_head) * bytes, type, streams);                \
      }                                                                                                                \
    }                                                                                                                  \
    if (streams) ROPE_FENCE();                                                                                         \
  }
ROPE(interleaved, f32, CK_F32, false)
ROPE(interleaved, f32_streaming, CK_F32, true)
ROPE(interleaved, bf16, CK_BF16, false)
ROPE(interleaved, bf16_streaming, CK_BF16, true)
ROPE(halves, f32, CK_F32, false)
ROPE(halves, f32_streaming, CK_F32, true)
ROPE(halves, bf16, CK_BF16, false)
ROPE(halves, bf16_streaming, CK_BF16, true)
#undef ROPE
#undef ROPE_FENCE
