// Matrix products of every type on every variant that runs here: against the definition, in memory that ends or begins
// where it may not be touched, for shapes around the edges of tiles and blocks. And their promise: the bits of a row
// depend neither on the other rows, nor on threads, nor on packing ahead.
#include "matmul/driver.h"
#include "tests/check.h"
#include "tests/matmul_operands.h"
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TEAMS = 4, SHAPES = 48, MOST_WORK = 2000000, MOST_LINES = 40 };

// One variant with one draw.
typedef struct trial {
  operands *operands;
  const char *variant;
  const ck_context *contexts[TEAMS]; // with 1 to TEAMS workers
  ck_packed *packed;
  uint64_t state; // for what else is drawn
} trial;

static void fail(const trial *t, const char *what) {
  if (++failures > MOST_LINES) return; // counted, not printed
  printf("FAILED matmul, %s: ", t->variant);
  operands_print(t->operands);
  printf(": %s\n", what);
}

// A kernel that touches a guarded page ends the process: first say which one it was.
static const trial *running;
static void say_and_end(int signal) {
  fail(running, "touched memory that is not an operand's");
  fflush(stdout);
  _exit(1);
}

typedef struct call {
  size_t first, count; // rows
  unsigned team;
  bool packed;
  ck_type a_type; // of A in memory
  ck_store store;
  const ck_epilogue *epilogue;
} call;

static call whole(const trial *t, unsigned team) {
  return (call){.count = t->operands->m, .team = team, .packed = true, .a_type = t->operands->a_type};
}

// Into c, four bytes an element. Both A and C are guarded.
static void multiply(trial *t, call call, guarded c) {
  const operands *o = t->operands;
  const guarded a = operands_rows(o, call.first, call.count, call.a_type, draw(&t->state) % 2);
  const ck_left left = {a.data, call.a_type, o->a_orientation};
  const bool integral = operands_integral(o) && !call.epilogue && call.a_type == o->a_type;
  const ck_result result = {c.data, integral ? CK_S32 : CK_F32, call.store, call.epilogue};
  const ck_context *context = t->contexts[call.team];
  const ck_status status = call.packed ? ck_matmul_packed(context, call.count, left, t->packed, result)
                                       : ck_matmul(context, o->product, call.count, o->n, o->k, left,
                                                   (ck_right){o->b_data.data, o->b_type, o->b_orientation}, result);
  if (status != CK_OK) fail(t, "refused");
  if (!guarded_intact(a) || !guarded_intact(c)) fail(t, "wrote outside C");
  guarded_destroy(a);
}

static guarded multiplied(trial *t, call call) {
  const guarded c = guarded_create(call.count * t->operands->n * 4, draw(&t->state) % 2);
  multiply(t, call, c);
  return c;
}

static uint32_t bits_at(guarded c, size_t i) {
  uint32_t bits;
  memcpy(&bits, c.data + 4 * i, 4);
  return bits;
}
static float float_at(guarded c, size_t i) {
  float x;
  memcpy(&x, c.data + 4 * i, 4);
  return x;
}

// Whether c holds the elements of `all` from row `first` on. One NaN is as good as another.
static void compare(const trial *t, guarded all, size_t first, guarded c, const char *what) {
  const size_t n = t->operands->n;
  for (size_t i = 0; i < c.bytes / 4; i++)
    if (bits_at(c, i) != bits_at(all, first * n + i) &&
        (operands_integral(t->operands) || !isnan(float_at(c, i)) || !isnan(float_at(all, first * n + i))))
      return fail(t, what);
}

static void multiply_and_compare(trial *t, guarded all, call call, const char *what) {
  const guarded c = multiplied(t, call);
  compare(t, all, call.first, c, what);
  guarded_destroy(c);
}

// Whether an element is `expected`, give or take.
static bool is_near(double actual, double expected, double tolerance) {
  if (isnan(expected)) return isnan(actual);
  return isinf(expected) ? actual == expected : fabs(actual - expected) <= tolerance;
}

static void check_sums(trial *t, guarded c) {
  const operands *o = t->operands;
  for (size_t i = 0; i < o->m; i++)
    for (size_t j = 0; j < o->n; j++) {
      const size_t at = i * o->n + j;
      const double actual = operands_integral(o) ? (int32_t)bits_at(c, at) : (double)float_at(c, at);
      if (!is_near(actual, o->sums[at], operands_tolerance(o, i, j))) return fail(t, "not the sums");
    }
}

// Everything that must not change a bit.
static void check_same_bits(trial *t, guarded all) {
  const operands *o = t->operands;
  for (unsigned team = 1; team < TEAMS; team++)
    multiply_and_compare(t, all, whole(t, team), "depends on the number of workers");
  if (o->group == 1) {
    call unpacked = whole(t, (unsigned)draw_below(&t->state, TEAMS));
    unpacked.packed = false;
    multiply_and_compare(t, all, unpacked, "depends on packing ahead");
  }
  for (int times = 0; times < 6 && o->m > 0; times++) {
    call some = whole(t, (unsigned)draw_below(&t->state, 2));
    some.packed = times % 2 || o->group > 1;
    some.count = times < 3 ? 1 : 1 + draw_below(&t->state, o->m);
    some.first = times == 0 ? o->m - 1 : draw_below(&t->state, o->m - some.count + 1);
    multiply_and_compare(t, all, some, "a row depends on the other rows");
  }
}

static guarded drawn_floats(trial *t, size_t count) {
  const guarded floats = guarded_create(count * 4, draw(&t->state) % 2);
  for (size_t i = 0; i < count; i++)
    element_write(floats.data + 4 * i, CK_F32, ((double)draw_below(&t->state, 2001) - 1000) / 512);
  return floats;
}

static void check_accumulated(trial *t) {
  const operands *o = t->operands;
  const guarded start = drawn_floats(t, o->m * o->n), all = guarded_create(o->m * o->n * 4, true);
  memcpy(all.data, start.data, start.bytes);
  call call = whole(t, (unsigned)draw_below(&t->state, TEAMS));
  call.store = CK_ACCUMULATE;
  multiply(t, call, all);
  for (size_t i = 0; i < o->m * o->n; i++) {
    const double tolerance = operands_tolerance(o, i / o->n, i % o->n) +
                             ((double)o->k + 4) * 0x1p-24 * (fabs(float_at(start, i)) + o->sizes[i]);
    if (!is_near(float_at(all, i), float_at(start, i) + o->sums[i], tolerance)) {
      fail(t, "not what was there and the sums");
      break;
    }
  }
  if (o->m > 0) {
    call.count = 1, call.first = draw_below(&t->state, o->m), call.packed = o->group > 1;
    const guarded row = guarded_create(o->n * 4, false);
    memcpy(row.data, start.data + call.first * o->n * 4, o->n * 4);
    multiply(t, call, row);
    compare(t, all, call.first, row, "an accumulated row depends on the other rows");
    guarded_destroy(row);
  }
  guarded_destroy(start), guarded_destroy(all);
}

// v = sum * (row scale * column scale) + bias, in one rounding and that of the scales; a sum in s32 is rounded too.
static void check_scaled(trial *t) {
  const operands *o = t->operands;
  const guarded rows = drawn_floats(t, o->m), columns = drawn_floats(t, o->n), bias = drawn_floats(t, o->n);
  const ck_epilogue epilogue = {.row_scales = (const float *)rows.data,
                                .column_scales = (const float *)columns.data,
                                .bias = (const float *)bias.data};
  call call = whole(t, (unsigned)draw_below(&t->state, TEAMS));
  call.epilogue = &epilogue;
  call.packed = o->group > 1 || draw(&t->state) % 2;
  const guarded c = multiplied(t, call);
  for (size_t i = 0; i < o->m * o->n; i++) {
    const double scale = (double)float_at(rows, i / o->n) * float_at(columns, i % o->n), add = float_at(bias, i % o->n);
    const double tolerance =
        (operands_tolerance(o, i / o->n, i % o->n) + 4 * 0x1p-24 * o->sizes[i]) * fabs(scale) + 2 * 0x1p-24 * fabs(add);
    if (!is_near(float_at(c, i), o->sums[i] * scale + add, tolerance)) {
      fail(t, "not the sums, scaled and shifted");
      break;
    }
  }
  guarded_destroy(rows), guarded_destroy(columns), guarded_destroy(bias), guarded_destroy(c);
}

// Rows of f32 are converted on the way as they would be ahead. A becomes another meanwhile.
static void check_converted(trial *t) {
  operands *o = t->operands;
  const bool quantizes = o->a_type == CK_S8;
  if (quantizes ? o->a_orientation != CK_AS_IS : o->a_type != CK_BF16 && o->a_type != CK_F16) return;
  double *const before = o->a;
  o->a = calloc(o->m * o->k + 1, sizeof(double));
  for (size_t i = 0; i < o->m * o->k; i++)
    o->a[i] = (float)ldexp((double)(draw(&t->state) >> 11) * 0x1p-52 - 1, (int)draw_below(&t->state, 20) - 10);
  if (o->m > 1)
    for (size_t k = 0; k < o->k; k++) o->a[k] = 0;
  call call = whole(t, (unsigned)draw_below(&t->state, TEAMS));
  call.a_type = CK_F32;
  const guarded direct = multiplied(t, call), scales = guarded_create(o->m * 4, true);
  for (size_t i = 0; i < o->m; i++) {
    float greatest = 0;
    for (size_t k = 0; k < o->k; k++) greatest = fmaxf(greatest, (float)fabs(o->a[i * o->k + k]));
    const float scale = greatest > 0 ? greatest / 127 : 1, inverse = 1 / scale;
    element_write(scales.data + 4 * i, CK_F32, scale);
    for (size_t k = 0; k < o->k; k++) {
      double *x = &o->a[i * o->k + k];
      *x = quantizes              ? (double)rintf((float)*x * inverse)
           : o->a_type == CK_BF16 ? rounded_to(*x, 7, -126)
                                  : rounded_to(*x, 10, -14);
    }
  }
  const ck_epilogue epilogue = {.row_scales = (const float *)scales.data};
  call.a_type = o->a_type;
  if (quantizes) call.epilogue = &epilogue;
  multiply_and_compare(t, direct, call, "A in f32 is not converted as ahead");
  guarded_destroy(direct), guarded_destroy(scales);
  free(o->a);
  o->a = before;
}

static void check_variant(operands *o, ck_variant variant, ck_team *const teams[TEAMS]) {
  trial t = {.operands = o, .variant = variant.name, .state = o->seed};
  ck_context *contexts[TEAMS];
  for (unsigned i = 0; i < TEAMS; i++) {
    CHECK(ck_context_create(variant.needs, teams[i], &contexts[i]) == CK_OK);
    t.contexts[i] = contexts[i];
  }
  running = &t;
  const ck_weights weights = {.data = o->b_data.data,
                              .orientation = o->b_orientation,
                              .group_scales = (const uint16_t *)o->group_scales.data,
                              .zero_points = (const uint8_t *)o->zero_points.data};
  if (ck_packed_create(contexts[o->seed % TEAMS], o->product, o->n, o->k, weights, CK_PLACE_DEFAULT, &t.packed) !=
      CK_OK)
    fail(&t, "cannot be packed");
  else {
    const guarded all = multiplied(&t, whole(&t, 0));
    check_sums(&t, all);
    check_same_bits(&t, all);
    guarded_destroy(all);
    if (!operands_integral(o)) check_accumulated(&t);
    check_scaled(&t);
    check_converted(&t);
    if (!guarded_intact(o->b_data)) fail(&t, "wrote into B");
  }
  ck_packed_destroy(t.packed);
  for (unsigned i = 0; i < TEAMS; i++) ck_context_destroy(contexts[i]);
}

// Around the edges of tiles (rows of 32, 16, 14, 6 and 4, columns of 32, 16 and 8, units of 1 to 128 steps), and of
// blocks of K.
static size_t near(uint64_t *state, const size_t *edges, size_t count) {
  const size_t edge = edges[draw_below(state, count)], off = draw_below(state, 5);
  return off < 2 ? edge + off : off == 2 && edge > 0 ? edge - 1 : edge;
}
#define NEAR(state, ...) near(state, (const size_t[]){__VA_ARGS__}, sizeof (size_t[]){__VA_ARGS__} / sizeof(size_t))

static void check_product(ck_product product, ck_team *const teams[TEAMS]) {
  uint64_t state = product + 1;
  size_t count;
  const ck_variant *variants = ck_matmul_variants(product, &count);
  for (uint64_t seed = 0; seed < SHAPES; seed++) {
    size_t m = NEAR(&state, 1, 1, 1, 2, 4, 5, 6, 8, 12, 14, 16, 28, 32, 42, 48, 64, 96, 150);
    size_t n = NEAR(&state, 1, 4, 8, 16, 24, 32, 48, 64, 96, 130);
    size_t k = NEAR(&state, 1, 2, 4, 8, 16, 32, 60, 64, 128, 256, 500, 1024, 2100, 9000);
    if (seed % 16 == 15) *(size_t *[]){&m, &n, &k}[seed / 16 % 3] = 0;
    while (m * n * k > MOST_WORK) *(m > n ? &m : &n) /= 2;
    operands o = operands_draw(product, m, n, k, seed);
    for (size_t v = 0; v < count; v++)
      if ((variants[v].needs & ~ck_isa_detected()) == 0) check_variant(&o, variants[v], teams);
    operands_destroy(&o);
  }
}

// Blocks of rows hold whole tiles and together all rows, and no task is empty while another one has too much.
static void check_plan(ck_product product, size_t workers, size_t m) {
  ck_isa needs;
  const ck_caches caches = {.l1d = 48 << 10, .l2 = 2 << 20, .l3 = 32 << 20};
  ck_matmul_job job = {
      .kernel = ck_matmul_best(product, ck_isa_detected(), &needs), .m = m, .n = 768, .k = 768, .c_element = 4};
  ck_matmul_plan(&job, caches, workers);
  bool sound = ck_matmul_first_row(&job, 0) == 0 && ck_matmul_first_row(&job, job.m_blocks) == m;
  for (size_t i = 0; i < job.m_blocks; i++) {
    const size_t first = ck_matmul_first_row(&job, i), end = ck_matmul_first_row(&job, i + 1);
    sound &= first < end && end - first <= job.m_block && first % ck_max(job.kernel->grain, 1) == 0;
  }
  if (sound || ++failures > MOST_LINES) return;
  printf("FAILED matmul: %s, %zu rows for %zu workers are not cut well into %zu blocks\n", ck_product_name(product), m,
         workers, job.m_blocks);
}

void check_matmul(const ck_topology *topology) {
  ck_team *teams[TEAMS];
  for (uint32_t i = 0; i < TEAMS; i++)
    CHECK(ck_team_create(topology, (ck_team_options){.workers = i + 1}, &teams[i]) == CK_OK);
  signal(SIGSEGV, say_and_end);
  signal(SIGBUS, say_and_end);
  const int before = failures;
  for (ck_product product = 0; product < CK_PRODUCTS; product++) {
    check_product(product, teams);
    for (size_t workers = 1; workers <= 64; workers *= 2)
      for (size_t m = 1; m <= 1100; m += 1 + m / 8) check_plan(product, workers, m);
  }
  signal(SIGSEGV, SIG_DFL);
  signal(SIGBUS, SIG_DFL);
  if (failures - before > MOST_LINES) printf("%d failures of matmul in all\n", failures - before);
  for (uint32_t i = 0; i < TEAMS; i++) ck_team_destroy(teams[i]);
}
