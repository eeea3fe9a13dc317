// Packed weights that are not dense: bit masks and blocks, on every instruction set that runs here. Elements are small
// integers, so that each product is the same number whatever the type, the form and the order of its sums.
#include "ck_matmul.h"
#include "tests/check.h"
#include "tests/matmul_operands.h"
#include <stdlib.h>
#include <string.h>

enum { TEAMS = 3, SHAPES = 60, MOST_WORK = 1000000, MOST_LINES = 20 };

typedef struct shape {
  size_t m, n, k;
} shape;

static size_t near(uint64_t *state, const size_t *edges, size_t count) {
  return edges[draw_below(state, count)] + draw_below(state, 3) - 1;
}
#define NEAR(state, ...) near(state, (const size_t[]){__VA_ARGS__}, sizeof (size_t[]){__VA_ARGS__} / sizeof(size_t))

static shape draw_shape(uint64_t *state) {
  shape s = {.m = NEAR(state, 2, 2, 5, 7, 14, 16, 28, 32, 44, 64, 150), .n = NEAR(state, 2, 16, 32, 48, 130)};
  s.k = NEAR(state, 1, 4, 16, 64, 500, 1024, 2100, 5000); // also 0
  while (s.m * s.n * s.k > MOST_WORK) *(s.m > s.n ? &s.m : &s.n) /= 2;
  return s;
}

static ck_type left_type(ck_product product) {
  static const ck_type types[] = {CK_F32, CK_BF16, CK_F16, CK_S8, CK_U8};
  return types[product];
}
static size_t bytes_of(ck_type type) { return type == CK_F32 ? 4 : type == CK_S8 || type == CK_U8 ? 1 : 2; }

// [rows, k] as memory; columns first when turned.
static guarded stored(const int8_t *x, size_t rows, size_t k, ck_type type, ck_orientation orientation) {
  const size_t bytes = bytes_of(type);
  const guarded memory = guarded_create(rows * k * bytes, true);
  for (size_t i = 0; i < rows; i++)
    for (size_t l = 0; l < k; l++)
      element_write(memory.data + (orientation == CK_AS_IS ? i * k + l : l * rows + i) * bytes, type, x[i * k + l]);
  return memory;
}

// Whether C holds the sums of rows of a [m, k] and b [n, k].
static bool is_product(guarded c, ck_type type, shape s, const int8_t *a, const int8_t *b) {
  for (size_t i = 0; i < s.m; i++)
    for (size_t j = 0; j < s.n; j++) {
      int32_t sum = 0, bits;
      for (size_t l = 0; l < s.k; l++) sum += a[i * s.k + l] * b[j * s.k + l];
      memcpy(&bits, c.data + (i * s.n + j) * 4, 4);
      float number;
      memcpy(&number, &bits, 4);
      if (type == CK_S32 ? bits != sum : number != (float)sum) return false;
    }
  return true;
}

static void check(ck_product product, ck_form form, shape s, ck_isa isa, ck_team *const teams[TEAMS], uint64_t *state) {
  const ck_type type = left_type(product), right = type == CK_U8 ? CK_S8 : type;
  const ck_type result = right == CK_S8 ? CK_S32 : CK_F32;
  const ck_orientation a_orientation = (ck_orientation)draw_below(state, 2);
  const bool turned = draw_below(state, 2);
  int8_t *a = malloc(s.m * s.k + 1), *b = malloc(s.n * s.k + 1);
  for (size_t i = 0; i < s.m * s.k; i++) a[i] = (int8_t)((int)draw_below(state, 7) - (type == CK_U8 ? 0 : 3));
  const uint64_t zeros = draw_below(state, 11);
  for (size_t i = 0; i < s.n * s.k; i++)
    b[i] = draw_below(state, 10) < zeros || i / 64 % 3 == 0 ? 0 : (int8_t)((int)draw_below(state, 7) - 3);
  const guarded left = stored(a, s.m, s.k, type, a_orientation);
  const guarded weights = stored(b, s.n, s.k, right, turned ? CK_TRANSPOSED : CK_AS_IS);
  for (unsigned team = 0; team < TEAMS; team++) {
    ck_context *context;
    ck_packed *packed;
    CHECK(ck_context_create(isa, teams[team], &context) == CK_OK);
    // Stored as [n, k] when not turned, which is the transpose of B.
    const ck_weights form_of = {.data = weights.data, .orientation = turned ? CK_AS_IS : CK_TRANSPOSED, .form = form};
    const guarded c = guarded_create(s.m * s.n * 4, true);
    ck_status status = ck_packed_create(context, product, s.n, s.k, form_of, CK_PLACE_DEFAULT, &packed);
    if (status == CK_OK)
      status = ck_matmul_packed(context, s.m, (ck_left){left.data, type, a_orientation}, packed,
                                (ck_result){c.data, result, CK_REPLACE, NULL});
    if ((status != CK_OK || !is_product(c, result, s, a, b) || !guarded_intact(c)) && ++failures <= MOST_LINES)
      printf("FAILED forms: %s, form %d, instruction sets %x, %zu x %zu x %zu, %u workers: %s\n",
             ck_product_name(product), (int)form, isa, s.m, s.n, s.k, team + 1, ck_status_text(status));
    ck_packed_destroy(packed);
    guarded_destroy(c);
    ck_context_destroy(context);
  }
  guarded_destroy(left), guarded_destroy(weights);
  free(a), free(b);
}

void check_forms(const ck_topology *topology) {
  ck_team *teams[TEAMS];
  for (uint32_t i = 0; i < TEAMS; i++)
    CHECK(ck_team_create(topology, (ck_team_options){.workers = i + 1}, &teams[i]) == CK_OK);
  uint64_t state = 1;
  size_t count;
  const ck_isa_entry *sets = ck_isa_list(&count);
  for (int i = 0; i < SHAPES; i++) {
    const shape s = draw_shape(&state);
    for (size_t set = 0; set <= count; set++) {
      const ck_isa isa = set < count ? sets[set].bits : ck_isa_detected();
      if (isa & ~ck_isa_detected()) continue;
      const ck_product product = (ck_product)draw_below(&state, CK_PRODUCT_U8S8 + 1);
      check(product, CK_FORM_BITMASK, s, isa, teams, &state);
      if (product != CK_PRODUCT_F16 && product != CK_PRODUCT_U8S8)
        check(product, CK_FORM_BLOCKS, s, isa, teams, &state);
    }
  }
  for (uint32_t i = 0; i < TEAMS; i++) ck_team_destroy(teams[i]);
}
