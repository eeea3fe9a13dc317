// Packed B in the form CK_FORM_BITMASK: where its panels and their chunks are (matmul/mask.h says what these are).
#ifndef CK_MATMUL_MASKED_H
#define CK_MATMUL_MASKED_H
#include "matmul/mask.h"

typedef struct ck_masked {
  ck_mask_expand *expand;                   // of the elements of this B
  size_t element;                           // bytes
  void (*tile)(const ck_matmul_tile *tile); // of the kernel, where the instruction sets allow it
  size_t *panels;                           // where each panel starts; then, where the last one ends
  uint32_t *chunks; // for every panel, where its chunks start in it, and last what follows them (b_extra)
  size_t per_panel; // chunks of a panel
} ck_masked;

// Bytes of an element of the panels of B, 0 where they have no such form.
size_t ck_masked_element(ck_product product);
// Fills `packed`, whose kernel, product and extents are set, from the weights.
ck_status ck_masked_pack(const ck_context *context, ck_packed *packed, ck_weights weights, ck_placement placement);
void ck_masked_destroy(ck_masked *masked);

// Where the chunk that starts with this unit is, of the panel at `panel`, number `index`.
const char *ck_masked_at(const ck_masked *masked, const ck_matmul_kernel *kernel, const char *panel, size_t index,
                         size_t unit);
// Units first ..< first + count of a panel, which starts at `panel`, at the start of a chunk -> to. index: of the
// panel.
void ck_masked_expand(const ck_masked *masked, const ck_matmul_kernel *kernel, const char *panel, size_t index,
                      char *to, size_t first, size_t count);
// What follows the units of a panel.
static inline const char *ck_masked_extra(const ck_masked *masked, const char *panel, size_t index) {
  return panel + masked->chunks[index * (masked->per_panel + 1) + masked->per_panel];
}
#endif
