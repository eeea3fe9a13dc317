// Philox4x32-10 at the width of the including body (runtime/each_width.inc.h, after vector/math.inc.h).
//
// One round of the paper (section 3.3), with key words k and the two 64-bit products P0 = 0xD2511F53 c0 and
// P1 = 0xCD9E8D57 c2:   c0' = hi(P1) ^ c1 ^ k0    c1' = lo(P1)    c2' = hi(P0) ^ c3 ^ k1    c3' = lo(P0)
//
// A block keeps a 64-bit lane: c0 and c2 in the low halves of two vectors, and c1 and c3 as the low halves of the last
// two products, which is where the multiplier leaves them. The high halves carry rubbish that the 32 x 32 -> 64
// multiplication ignores. So a round is two multiplications, two shuffles and two three-way exclusive ors.

typedef uint64_t CK_NAME(ck_vblock) __attribute__((ext_vector_type(CK_LANES / 2)));
// The key schedule and the stream, one copy a lane: a local of the kernel, so that stores cannot touch it.
typedef struct {
  CK_NAME(ck_vblock) keys[10][2], stream[2];
} CK_NAME(ck_vphilox_keys);

#ifndef CK_PHILOX_INC_H
#define CK_PHILOX_INC_H
#define vblock CK_NAME(ck_vblock)
#define vphilox_keys CK_NAME(ck_vphilox_keys)
#define vphilox_spread CK_NAME(ck_vphilox_spread)
#define vphilox CK_NAME(ck_vphilox)
#define vphilox_wide CK_NAME(ck_vphilox_wide)
#define vphilox_run CK_NAME(ck_vphilox_run)
#define vphilox_at CK_NAME(ck_vphilox_at)
#define vphilox_rounds CK_NAME(ck_vphilox_rounds)
#define vproduct CK_NAME(ck_vproduct)
#define vhigh CK_NAME(ck_vhigh)
#define vevens CK_NAME(ck_vevens)
#define vodds CK_NAME(ck_vodds)
#endif

CK_VECTOR vphilox_keys vphilox_spread(const ck_philox *philox) {
  vphilox_keys k;
  k.stream[0] = (vblock)(philox->stream & 0xffffffffu);
  k.stream[1] = (vblock)(philox->stream >> 32);
  for (int round = 0; round < 10; round++)
    for (int i = 0; i < 2; i++) k.keys[round][i] = (vblock)((uint64_t)philox->keys[round][i]);
  return k;
}

// a0 b0 a2 b2 ... and a1 b1 a3 b3 ...
CK_VECTOR vuint vevens(vuint a, vuint b) {
#if CK_LANES == 16
  return __builtin_shufflevector(a, b, 0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30);
#elif CK_LANES == 8
  return __builtin_shufflevector(a, b, 0, 8, 2, 10, 4, 12, 6, 14);
#else
  return __builtin_shufflevector(a, b, 0, 4, 2, 6);
#endif
}
CK_VECTOR vuint vodds(vuint a, vuint b) {
#if CK_LANES == 16
  return __builtin_shufflevector(a, b, 1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15, 31);
#elif CK_LANES == 8
  return __builtin_shufflevector(a, b, 1, 9, 3, 11, 5, 13, 7, 15);
#else
  return __builtin_shufflevector(a, b, 1, 5, 3, 7);
#endif
}

CK_VECTOR vblock vproduct(vblock a, uint32_t b) { return (a & 0xffffffffu) * (uint64_t)b; }

// The high half of each product in the low half of its lane. As a shuffle: a shift would wait for the port that the
// multiplications need.
CK_VECTOR vblock vhigh(vblock p) { return (vblock)vodds((vuint)p, (vuint)p); }

// The words of the blocks whose counters are in c0 and, high halves as low ones, in high; 2 * CK_LANES words for each
// of `vectors` (a constant where this is inlined). They go side by side: one alone is a chain of dependent instructions
// as long as the processor's scheduler, and two still wait for each other. Blocks sit so that interleaving neighbours
// within 128 bits, at the end, puts their words in order.
#if CK_LANES == 16
#define CK_PHILOX_ORDER 0, 4, 1, 5, 2, 6, 3, 7
#elif CK_LANES == 8
#define CK_PHILOX_ORDER 0, 2, 1, 3
#else
#define CK_PHILOX_ORDER 0, 1
#endif
CK_VECTOR void vphilox_rounds(const vphilox_keys *k, vblock *c0, const vblock *high, const int vectors, vuint *words) {
  vblock c1[4], c2[4], c3[4];
  for (int i = 0; i < vectors; i++) {
    c1[i] = high[i];
    c2[i] = k->stream[0];
    c3[i] = k->stream[1];
  }
#pragma clang loop unroll(full)
  for (int round = 0; round < 10; round++)
#pragma clang loop unroll(full)
    for (int i = 0; i < vectors; i++) {
      vblock p0 = vproduct(c0[i], 0xD2511F53u), p1 = vproduct(c2[i], 0xCD9E8D57u);
      c0[i] = vhigh(p1) ^ c1[i] ^ k->keys[round][0];
      c2[i] = vhigh(p0) ^ c3[i] ^ k->keys[round][1];
      c1[i] = p1;
      c3[i] = p0;
    }
#pragma clang loop unroll(full)
  for (int i = 0; i < vectors; i++) {
    vblock low = (vblock)vevens((vuint)c0[i], (vuint)c1[i]), high = (vblock)vevens((vuint)c2[i], (vuint)c3[i]);
#if CK_LANES == 16
    words[2 * i] = (vuint)__builtin_shufflevector(low, high, 0, 8, 2, 10, 4, 12, 6, 14);
    words[2 * i + 1] = (vuint)__builtin_shufflevector(low, high, 1, 9, 3, 11, 5, 13, 7, 15);
#elif CK_LANES == 8
    words[2 * i] = (vuint)__builtin_shufflevector(low, high, 0, 4, 2, 6);
    words[2 * i + 1] = (vuint)__builtin_shufflevector(low, high, 1, 5, 3, 7);
#else
    words[2 * i] = (vuint)__builtin_shufflevector(low, high, 0, 2);
    words[2 * i + 1] = (vuint)__builtin_shufflevector(low, high, 1, 3);
#endif
  }
}

// The words of blocks block ..< block + CK_LANES, in order.
CK_VECTOR void vphilox(const vphilox_keys *k, uint64_t block, vuint words[4]) {
  const vblock order = {CK_PHILOX_ORDER};
  vblock c0[2] = {block + order, block + CK_LANES / 2 + order}, high[2] = {c0[0] >> 32, c0[1] >> 32};
  vphilox_rounds(k, c0, high, 2, words);
}

// The words of blocks block ..< block + 2 * CK_LANES, in order, whose counters all have the high half `high`: what
// depends on it alone, two of twenty multiplications and more, leaves the caller's loop. Four vectors side by side
// where there are registers for them.
CK_VECTOR void vphilox_run(const vphilox_keys *k, uint64_t block, vblock high, vuint words[8]) {
  const vblock order = {CK_PHILOX_ORDER}, c1[4] = {high, high, high, high};
  vblock c0[4];
#pragma clang loop unroll(full)
  for (int i = 0; i < 4; i++) c0[i] = block + (uint64_t)(i * CK_LANES / 2) + order;
#if CK_LANES == 16
  vphilox_rounds(k, c0, c1, 4, words);
#else
  vphilox_rounds(k, c0, c1, 2, words);
  vphilox_rounds(k, c0 + 2, c1, 2, words + 4);
#endif
}

// The same of any blocks.
CK_VECTOR void vphilox_wide(const vphilox_keys *k, uint64_t block, vuint words[8]) {
#if CK_LANES == 16
  const vblock order = {CK_PHILOX_ORDER};
  vblock c0[4], c1[4];
#pragma clang loop unroll(full)
  for (int i = 0; i < 4; i++) {
    c0[i] = block + (uint64_t)(i * CK_LANES / 2) + order;
    c1[i] = c0[i] >> 32;
  }
  vphilox_rounds(k, c0, c1, 4, words);
#else
  vphilox(k, block, words);
  vphilox(k, block + CK_LANES, words + 4);
#endif
}

// The words of blocks[0], blocks[1], ... blocks[CK_LANES - 1].
CK_VECTOR void vphilox_at(const vphilox_keys *k, const uint64_t *blocks, vuint words[4]) {
  vblock c0[2], high[2];
  __builtin_memcpy(c0, blocks, sizeof c0);
  for (int i = 0; i < 2; i++) {
    c0[i] = __builtin_shufflevector(c0[i], c0[i], CK_PHILOX_ORDER);
    high[i] = c0[i] >> 32;
  }
  vphilox_rounds(k, c0, high, 2, words);
}
#undef CK_PHILOX_ORDER
