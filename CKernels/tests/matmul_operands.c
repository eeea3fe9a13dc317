#include "tests/matmul_operands.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { UNTOUCHED = 0x5a };

guarded guarded_create(size_t bytes, bool at_end) {
  const size_t page = (size_t)sysconf(_SC_PAGESIZE);
  guarded memory = {.bytes = bytes, .accessible = (bytes / page + 1) * page};
  memory.pages = mmap(NULL, memory.accessible + 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory.pages == MAP_FAILED) exit(2);
  mprotect(memory.pages, page, PROT_NONE);
  mprotect(memory.pages + page + memory.accessible, page, PROT_NONE);
  memset(memory.pages + page, UNTOUCHED, memory.accessible);
  memory.data = memory.pages + page + (at_end ? memory.accessible - bytes : 0);
  return memory;
}

bool guarded_intact(guarded memory) {
  const char *first = memory.pages + sysconf(_SC_PAGESIZE);
  for (const char *p = first; p < first + memory.accessible; p++)
    if ((p < memory.data || p >= memory.data + memory.bytes) && *p != UNTOUCHED) return false;
  return true;
}

void guarded_destroy(guarded memory) {
  if (memory.pages) munmap(memory.pages, memory.accessible + 2 * (size_t)sysconf(_SC_PAGESIZE));
}

uint64_t draw(uint64_t *state) {
  uint64_t z = *state += 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

double rounded_to(double x, int fraction, int least) {
  if (x == 0 || !isfinite(x)) return x;
  const int exponent = ilogb(x) < least ? least : ilogb(x);
  return ldexp(nearbyint(ldexp(x, fraction - exponent)), exponent - fraction);
}

// Sign, exponent and fraction of a number that has no more of it.
static uint16_t half_bits(double x, int fraction, int least) {
  const uint16_t sign = signbit(x) ? 0x8000 : 0;
  const int special = 0x7fff >> fraction << fraction;
  if (isnan(x)) return (uint16_t)(sign | special | 1 << (fraction - 1));
  if (isinf(x)) return (uint16_t)(sign | special);
  const double magnitude = fabs(x);
  if (magnitude < ldexp(1, least)) return (uint16_t)(sign | (int)ldexp(magnitude, fraction - least));
  const int exponent = ilogb(magnitude);
  // The leading one of the fraction adds one to the exponent.
  return (uint16_t)(sign | (((exponent - least) << fraction) + (int)ldexp(magnitude, fraction - exponent)));
}

void element_write(void *to, ck_type type, double x) {
  switch (type) {
  case CK_F32:
    memcpy(to, &(float){(float)x}, 4);
    break;
  case CK_BF16:
    memcpy(to, &(uint16_t){half_bits(x, 7, -126)}, 2);
    break;
  case CK_F16:
    memcpy(to, &(uint16_t){half_bits(x, 10, -14)}, 2);
    break;
  case CK_S32:
    memcpy(to, &(int32_t){(int32_t)x}, 4);
    break;
  default:
    *(char *)to = (char)(int)x;
    break;
  }
}

static size_t element_bytes(ck_type type) {
  return type == CK_F32 || type == CK_S32 ? 4 : type == CK_BF16 || type == CK_F16 ? 2 : 1;
}

// A number of the type.
static double draw_element(uint64_t *state, ck_type type, filling filling) {
  if (type == CK_S8 || type == CK_U8) {
    const double low = type == CK_S8 ? -128 : 0;
    return low + (filling == EXTREME ? 255 * (double)draw_below(state, 2) : (double)draw_below(state, 256));
  }
  if (filling == EXACT || filling == EXTREME) return ((double)draw_below(state, 63) - 31) / 8;
  const double x = (double)(float)((double)(draw(state) >> 11) * 0x1p-52 - 1);
  return type == CK_BF16 ? rounded_to(x, 7, -126) : type == CK_F16 ? rounded_to(x, 10, -14) : x;
}

static void types_of(ck_product product, ck_type *a, ck_type *b) {
  static const ck_type right[] = {CK_F32, CK_BF16, CK_F16, CK_S8, CK_S8, CK_S8, CK_S8};
  static const ck_type left[] = {CK_F32, CK_BF16, CK_F16, CK_S8, CK_U8, CK_F32, CK_BF16};
  *b = product < CK_PRODUCT_S8S4G32 ? right[product] : CK_TYPES;
  *a = product < CK_PRODUCT_S8S4G32 ? left[product] : product < CK_PRODUCT_BF16S4G32 ? CK_S8 : CK_BF16;
}

static void draw_nibbles(operands *o, uint64_t *state) {
  const bool has_zeros = strstr(ck_product_name(o->product), "u4") != NULL;
  const size_t groups = o->k / o->group;
  o->b_data = guarded_create(o->n * o->k / 2, o->seed % 2);
  o->group_scales = guarded_create(o->n * groups * 2, o->seed % 2);
  if (has_zeros) o->zero_points = guarded_create(o->n * groups, o->seed % 2);
  for (size_t j = 0; j < o->n; j++)
    for (size_t g = 0; g < groups; g++) {
      const double scale = o->filling == EXACT ? ldexp(1, -(int)draw_below(state, 3))
                                               : rounded_to(0.001 + 0.0001 * (double)draw_below(state, 1000), 10, -14);
      const int zero = !has_zeros ? 8 : (int)draw_below(state, 16);
      element_write(o->group_scales.data + (j * groups + g) * 2, CK_F16, scale);
      if (has_zeros) o->zero_points.data[j * groups + g] = (char)zero;
      for (size_t k = g * o->group; k < (g + 1) * o->group; k++) {
        const int q = o->filling == EXTREME ? 15 * (int)draw_below(state, 2) : (int)draw_below(state, 16);
        char *byte = o->b_data.data + (j * o->k + k) / 2;
        *byte = (char)(k % 2 ? (*byte & 0x0f) | q << 4 : q);
        o->b[j * o->k + k] = (q - zero) * scale;
      }
    }
}

static void draw_right(operands *o, uint64_t *state) {
  const size_t bytes = element_bytes(o->b_type);
  o->b_data = guarded_create(o->n * o->k * bytes, o->seed % 2);
  for (size_t j = 0; j < o->n; j++)
    for (size_t k = 0; k < o->k; k++) {
      const double x = o->b[j * o->k + k] = draw_element(state, o->b_type, o->filling);
      element_write(o->b_data.data + (o->b_orientation == CK_TRANSPOSED ? j * o->k + k : k * o->n + j) * bytes,
                    o->b_type, x);
    }
}

operands operands_draw(ck_product product, size_t m, size_t n, size_t k, uint64_t seed) {
  uint64_t state = seed * 1000003 + product;
  operands o = {.product = product, .m = m, .n = n, .group = ck_product_group(product), .seed = seed};
  o.k = (k + o.group - 1) / o.group * o.group;
  o.filling = (filling)draw_below(&state, FILLINGS);
  types_of(product, &o.a_type, &o.b_type);
  o.a_orientation = draw(&state) % 2 ? CK_TRANSPOSED : CK_AS_IS;
  o.b_orientation = draw(&state) % 2 || o.group > 1 ? CK_TRANSPOSED : CK_AS_IS;
  o.a = calloc(m * o.k + 1, sizeof(double)), o.b = calloc(n * o.k + 1, sizeof(double));
  o.sums = calloc(m * n + 1, sizeof(double)), o.sizes = calloc(m * n + 1, sizeof(double));
  for (size_t i = 0; i < m * o.k; i++) o.a[i] = draw_element(&state, o.a_type, o.filling);
  if (o.filling == SPECIAL && o.a_type != CK_S8 && o.a_type != CK_U8 && m * o.k > 0) {
    o.a[draw_below(&state, m * o.k)] = -INFINITY;
    o.a[draw_below(&state, m * o.k)] = NAN;
  }
  if (o.group > 1)
    draw_nibbles(&o, &state);
  else
    draw_right(&o, &state);
  for (size_t i = 0; i < m; i++)
    for (size_t j = 0; j < n; j++)
      for (size_t l = 0; l < o.k; l++) {
        const double term = o.a[i * o.k + l] * o.b[j * o.k + l];
        o.sums[i * n + j] += term, o.sizes[i * n + j] += fabs(term);
      }
  return o;
}

void operands_destroy(operands *o) {
  free(o->a), free(o->b), free(o->sums), free(o->sizes);
  guarded_destroy(o->b_data), guarded_destroy(o->group_scales), guarded_destroy(o->zero_points);
}

void operands_print(const operands *o) {
  static const char *const fillings[] = {"exact", "random", "extreme", "special"};
  printf("%s %zux%zux%zu, A %s, B %s, %s, seed %llu", ck_product_name(o->product), o->m, o->n, o->k,
         o->a_orientation == CK_AS_IS ? "[m, k]" : "[k, m]", o->b_orientation == CK_AS_IS ? "[k, n]" : "[n, k]",
         fillings[o->filling], (unsigned long long)o->seed);
}

guarded operands_rows(const operands *o, size_t first, size_t count, ck_type type, bool at_end) {
  const size_t bytes = element_bytes(type);
  const guarded memory = guarded_create(count * o->k * bytes, at_end);
  for (size_t i = 0; i < count; i++)
    for (size_t k = 0; k < o->k; k++)
      element_write(memory.data + (o->a_orientation == CK_AS_IS ? i * o->k + k : k * count + i) * bytes, type,
                    o->a[(first + i) * o->k + k]);
  return memory;
}

bool operands_integral(const operands *o) { return o->product == CK_PRODUCT_S8 || o->product == CK_PRODUCT_U8S8; }

// A chain of k multiply-adds, each of which may round twice, is within (k + 1) u times the sum of magnitudes to first
// order, u = 2^-24; a scale and a sum for each group of 4-bit weights add two roundings. vdpbf16ps takes numbers below
// 2^-126 for zero.
double operands_tolerance(const operands *o, size_t i, size_t j) {
  if (operands_integral(o) || (o->filling == EXACT && o->k <= 1000)) return 0;
  const double roundings = (double)o->k + 4 + (o->group > 1 ? 2 * (double)(o->k / o->group) : 0);
  return roundings * 0x1p-24 * 1.001 * o->sizes[i * o->n + j] + 0x1p-120;
}
