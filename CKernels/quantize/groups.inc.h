// 4-bit weights in groups to f32. See ck_quantize.h. One multiply for each element: equal bits at every width.
#include "vector/math.inc.h"

#include "vector/halves.inc.h"

typedef uint8_t CK_NAME(ck_vbytes16) __attribute__((ext_vector_type(16)));
typedef uint8_t CK_NAME(ck_vbytes32) __attribute__((ext_vector_type(32)));
typedef int8_t CK_NAME(ck_vlane_bytes) __attribute__((ext_vector_type(CK_LANES)));

static void CK_NAME(widen_groups)(size_t columns, size_t group, const uint8_t *nibbles, const uint16_t *scales,
                                  float *y) {
  for (size_t k = 0; k < columns; k += 32) {
    const float scale = widen_f16(scales[k / group]);
    CK_NAME(ck_vbytes16) bytes;
    __builtin_memcpy(&bytes, nibbles + k / 2, sizeof bytes);
    const CK_NAME(ck_vbytes32) q =
        __builtin_shufflevector(bytes & 15, bytes >> 4, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23, 8, 24,
                                9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31) -
        8;
    int8_t all[32];
    __builtin_memcpy(all, &q, sizeof all);
    for (size_t i = 0; i < 32; i += CK_LANES) {
      CK_NAME(ck_vlane_bytes) some;
      __builtin_memcpy(&some, all + i, sizeof some);
      vstore(y + k + i, __builtin_convertvector(some, vfloat) * scale);
    }
  }
}
