// Where the elements of a packed sparse matrix are in the dense one.
#ifndef CK_CSR_PLACES_H
#define CK_CSR_PLACES_H
#include "csr/csr.h"

// Element `lane` of step `step`, counted from the first of its slice, is element (output, column) of W.
typedef void csr_visit(void *state, size_t step, size_t lane, size_t output, size_t column);

// Visits the elements of a slice of a range and a block of k, one output after the other, missing ones left out.
static inline __attribute__((always_inline)) void csr_each_element(const ck_csr *csr, size_t range, size_t block,
                                                                   csr_visit *visit, void *state) {
  const csr_slice *slice = &csr->slices[range * csr->blocks + block];
  const size_t bytes = csr_step_bytes(csr->type), missing = csr->depth * CSR_ROW;
  const char *steps = (const char *)ck_placed_start(csr->storage) + slice->at;
  const uint16_t *outputs = (const uint16_t *)(steps + slice->steps * bytes);
  const uint16_t *lengths = outputs + slice->groups * CSR_OUTPUTS;
  const size_t first = csr_first_output(csr, range), start = block * csr->depth;
  for (size_t g = 0, step = 0; g < slice->groups; step += lengths[g++])
    for (size_t lane = 0; lane < CSR_OUTPUTS; lane++)
      for (size_t s = step; s < step + lengths[g]; s++) {
        const uint16_t *offsets = (const uint16_t *)(steps + (s + 1) * bytes) - CSR_OUTPUTS;
        if (offsets[lane] == missing) break; // and so are all that follow
        visit(state, s, lane, first + outputs[g * CSR_OUTPUTS + lane], start + offsets[lane] / CSR_ROW);
      }
}
#endif
