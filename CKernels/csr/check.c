// Whether the arrays of a matrix are what ck_csr.h says.
#include "csr/csr.h"

static ck_csr_fault check_row(const int32_t *column, size_t count, size_t columns) {
  int64_t last = -1;
  for (size_t e = 0; e < count; e++) {
    if (column[e] < 0 || (size_t)column[e] >= columns) return CK_CSR_COLUMN_RANGE;
    if (column[e] <= last) return CK_CSR_COLUMN_ORDER;
    last = column[e];
  }
  return CK_CSR_SOUND;
}

ck_csr_fault ck_csr_check(size_t rows, size_t columns, ck_csr_arrays arrays, size_t *row) {
  const int64_t *offsets = arrays.row_offsets;
  *row = 0;
  if (offsets[0] != 0) return CK_CSR_FIRST_OFFSET;
  for (size_t i = 0; i < rows; i++) {
    *row = i;
    if (offsets[i + 1] < offsets[i] || (uint64_t)offsets[i + 1] > arrays.count) return CK_CSR_OFFSET_ORDER;
    const size_t start = (size_t)offsets[i], end = (size_t)offsets[i + 1];
    const ck_csr_fault fault = check_row(arrays.columns + start, end - start, columns);
    if (fault != CK_CSR_SOUND) return fault;
  }
  return (size_t)offsets[rows] == arrays.count ? CK_CSR_SOUND : CK_CSR_LAST_OFFSET;
}
