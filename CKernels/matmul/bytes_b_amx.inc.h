// Packing of B of bytes as tiles of AMX. Include after matmul/tile_amx.inc.h and matmul/bytes_avx512.inc.h.

static void ck_pack_b_amx(void *panel, void *extra, const ck_matmul_source *source, size_t first, size_t columns,
                          size_t from, size_t depth) {
  const char *at = source->data + first * source->stride + from * source->k_stride;
  ck_pack_b_bytes(panel, at, source->stride, source->k_stride, columns, depth);
  ck_pad_b_tiles(panel, ck_ceil_div(depth, 4));
}
