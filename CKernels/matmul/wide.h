// The description of a kernel whose panels of B are narrower in memory than in arithmetic (see `expand` in types.h),
// where pack_b, expand and ck_tile are the file's own. steps: of K in a unit of B, and side by side in a panel of A,
// which is f32. most_rows: for up to so many, B is widened in registers, which on some CPUs takes turns of the ports
// that multiply (f16 on Intel) and on others is free (Zen 4). The rest: the packing of A by type.
#ifndef CK_MATMUL_WIDE_H
#define CK_MATMUL_WIDE_H
#define CK_WIDE_KERNEL(steps, multiply_adds, most_rows, dense_kernel, ...)                                             \
  {.mr = CK_MR,                                                                                                        \
   .nr = CK_NR,                                                                                                        \
   .kgroup = steps,                                                                                                    \
   .a_bytes = 4,                                                                                                       \
   .unit = steps,                                                                                                      \
   .unit_bytes = CK_UNIT_BYTES,                                                                                        \
   .sums = CK_F32,                                                                                                     \
   .rate = multiply_adds,                                                                                              \
   .pack_a = {__VA_ARGS__},                                                                                            \
   .pack_b = pack_b,                                                                                                   \
   .tile = ck_tile,                                                                                                    \
   .expand = expand,                                                                                                   \
   .expand_rows = most_rows,                                                                                           \
   .dense = &dense_kernel}
#endif
