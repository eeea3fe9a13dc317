// Detection of instruction sets. Compiled without instruction set flags, since it runs before anything is known. An
// extension counts only when the operating system saves its registers (XCR0): CPUID alone says what the silicon has.
#include "runtime/isa.h"

#if defined(__x86_64__)
#include <cpuid.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

typedef struct registers {
  uint32_t a, b, c, d;
} registers;

static registers cpuid(uint32_t leaf, uint32_t subleaf) {
  registers r = {0};
  __get_cpuid_count(leaf, subleaf, &r.a, &r.b, &r.c, &r.d);
  return r;
}

static bool all_set(uint32_t word, uint32_t bits) { return (word & bits) == bits; }
static uint32_t bit(int index) { return UINT32_C(1) << index; }

// The register files that the system saves on a context switch.
static bool system_saves(uint32_t components) {
  if (!(cpuid(1, 0).c & bit(27))) return false; // OSXSAVE: without it xgetbv traps
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return all_set(low, components);
}
enum { SAVES_YMM = 0x06, SAVES_ZMM = 0xe6 }; // SSE, AVX; and opmask, the high halves of zmm0-15, zmm16-31

static bool ck_cpu_has_avx2(void) {
  return system_saves(SAVES_YMM) && all_set(cpuid(1, 0).c, bit(28) | bit(12) | bit(29)) // AVX FMA F16C
         && all_set(cpuid(7, 0).b, bit(5) | bit(3) | bit(8));                           // AVX2 BMI1 BMI2
}
static bool ck_cpu_has_avx512(void) {
  return system_saves(SAVES_ZMM) &&
         all_set(cpuid(7, 0).b, bit(16) | bit(17) | bit(28) | bit(30) | bit(31)); // F DQ CD BW VL
}
static bool ck_cpu_has_avx512vnni(void) { return all_set(cpuid(7, 0).c, bit(11)); }
static bool ck_cpu_has_avx512bf16(void) { return cpuid(7, 0).a >= 1 && all_set(cpuid(7, 1).a, bit(5)); }
static bool ck_cpu_has_avx512vbmi2(void) { return all_set(cpuid(7, 0).c, bit(1) | bit(6)); } // VBMI VBMI2

// Tile registers take 8 KB of every thread that uses them, so Linux grants them to a process that asks, for all of its
// threads and once for all; asking again is harmless. It refuses when an alternate signal stack is too small for them.
static bool may_use_tiles(void) {
#if defined(__linux__)
  enum { ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 };
  return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
#else
  return false;
#endif
}
enum { SAVES_TILES = 0x60000, AMX_BF16 = 22, AMX_TILE = 24, AMX_INT8 = 25 };
static bool ck_cpu_has_amx(int feature) {
  return all_set(cpuid(7, 0).d, bit(AMX_TILE) | bit(feature)) && system_saves(SAVES_TILES) && may_use_tiles();
}

size_t ck_cpu_name(char *text, size_t capacity) {
  char brand[49] = {0};
  if (cpuid(0x80000000, 0).a >= 0x80000004) {
    for (uint32_t i = 0; i < 3; ++i) {
      registers r = cpuid(0x80000002 + i, 0);
      __builtin_memcpy(brand + 16 * i, &r, 16);
    }
  }
  const char *from = brand;
  while (*from == ' ') ++from;
  size_t length = __builtin_strlen(from);
  while (length > 0 && from[length - 1] == ' ') --length;
  if (capacity == 0) return 0;
  if (length > capacity - 1) length = capacity - 1;
  __builtin_memcpy(text, from, length);
  text[length] = 0;
  return length;
}

#else // not x86-64

#if defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
static bool ck_cpu_has_dotprod(void) { return getauxval(AT_HWCAP) >> 20 & 1; }    // ASIMDDP
static bool ck_cpu_has_fp16(void) { return (getauxval(AT_HWCAP) >> 9 & 3) == 3; } // FPHP ASIMDHP
static bool ck_cpu_has_i8mm(void) { return getauxval(AT_HWCAP2) >> 13 & 1; }      // I8MM
static bool ck_cpu_has_bf16(void) { return getauxval(AT_HWCAP2) >> 14 & 1; }      // BF16
#elif defined(__aarch64__) && defined(__APPLE__)
#include <sys/sysctl.h>
static bool feature(const char *name) {
  int value = 0;
  size_t bytes = sizeof value;
  return sysctlbyname(name, &value, &bytes, NULL, 0) == 0 && value != 0;
}
static bool ck_cpu_has_dotprod(void) { return feature("hw.optional.arm.FEAT_DotProd"); }
static bool ck_cpu_has_fp16(void) { return feature("hw.optional.arm.FEAT_FP16"); }
static bool ck_cpu_has_i8mm(void) { return feature("hw.optional.arm.FEAT_I8MM"); }
static bool ck_cpu_has_bf16(void) { return feature("hw.optional.arm.FEAT_BF16"); }
#elif defined(__aarch64__)
static bool ck_cpu_has_dotprod(void) { return false; }
static bool ck_cpu_has_fp16(void) { return false; }
static bool ck_cpu_has_i8mm(void) { return false; }
static bool ck_cpu_has_bf16(void) { return false; }
#endif

#if defined(__APPLE__)
#include <sys/sysctl.h>
size_t ck_cpu_name(char *text, size_t capacity) {
  size_t bytes = capacity;
  if (capacity == 0 || sysctlbyname("machdep.cpu.brand_string", text, &bytes, NULL, 0) != 0) return 0;
  return bytes > 0 ? bytes - 1 : 0;
}
#else
size_t ck_cpu_name(char *text, size_t capacity) {
  if (capacity > 0) text[0] = 0;
  return 0; // Arm cores have no brand string
}
#endif
#endif

ck_isa ck_isa_detected(void) {
  ck_isa have = CK_ISA_PORTABLE;
#define CK_ISA(NAME, name, bit, implied, detected)                                                                     \
  if ((have & (ck_isa)(implied)) == (ck_isa)(implied) && (detected)) have |= (ck_isa)CK_ISA_##NAME;
#include "runtime/isa.inc.h"
#undef CK_ISA
  return have;
}

const ck_isa_entry *ck_isa_list(size_t *count) {
  static const ck_isa_entry entries[] = {
      {"portable", CK_ISA_PORTABLE},
#define CK_ISA(NAME, name, bit, implied, detected) {name, CK_ISA_##NAME},
#include "runtime/isa.inc.h"
#undef CK_ISA
  };
  *count = sizeof entries / sizeof *entries;
  return entries;
}
