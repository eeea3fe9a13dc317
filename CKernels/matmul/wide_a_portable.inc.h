// A of 16-bit floats, or of f32 that is rounded to them, packed as f32. Include after matmul/elements_portable.inc.h.
// Before, define
//   ck_widen(h)     one half as f32
//   ck_narrow(x)    f32 to a half

CK_INLINE void put_half(char *to, const char *from) {
  uint16_t half;
  memcpy(&half, from, sizeof half);
  const float wide = ck_widen(half);
  memcpy(to, &wide, sizeof wide);
}
CK_INLINE void put_rounded(char *to, const char *from) {
  float x;
  memcpy(&x, from, sizeof x);
  x = ck_widen(ck_narrow(x));
  memcpy(to, &x, sizeof x);
}

static void pack_a(void *panel, void *extra, const ck_matmul_source *source, size_t first, size_t rows, size_t from,
                   size_t depth) {
  ck_pack_elements(panel, rows, sizeof(float), source, first, rows, from, depth, put_half);
}

static void pack_a_f32(void *panel, void *extra, const ck_matmul_source *source, size_t first, size_t rows, size_t from,
                       size_t depth) {
  ck_pack_elements(panel, rows, sizeof(float), source, first, rows, from, depth, put_rounded);
}
