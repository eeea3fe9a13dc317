// What the C peers share: the line protocol (README.md), the numbers in the operands, the check of the result, the
// clock. A peer supplies `peer_library`; `peer_serve` does the rest.
#ifndef ALAMBIC_PEER_H
#define ALAMBIC_PEER_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum { PEER_F32, PEER_BF16, PEER_S8 } peer_type;

// One request to prepare: C[M,N] = A[M,K] B[K,N].
typedef struct {
  peer_type type;
  bool packed;       // weights may be rearranged ahead (f32, bf16, s8); otherwise both operands stay as they are
  bool a_transposed; // A is stored K x M
  bool b_transposed; // B is stored N x K, as the weights of a linear layer are
  int64_t M, N, K;
  int copies; // sets of weights that runs rotate over
} peer_job;

typedef struct {
  // Name and version on one line.
  void (*version)(char *text, size_t capacity);
  // Builds everything for the job, in the operands' layout above; NULL, or why it cannot. `detail` says what runs.
  const char *(*prepare)(const peer_job *job, char *detail, size_t capacity);
  // One product with the given set of weights.
  void (*run)(int copy);
  // Element (m, n) of the last product.
  double (*result)(int64_t m, int64_t n);
  void (*release)(void);
} peer_library;

// Speaks the protocol on standard input and output until `quit` or the end of the input; returns the exit code.
int peer_serve(const peer_library *library);

// The operands: integers from -127 to 127, which floats hold as v/128. Exact in every type, so that products are known.
int peer_a(int64_t m, int64_t k);
int peer_b(int64_t n, int64_t k);
// Writes an operand of `rows` x `columns`; `transposed` names the stored layout against (m, k) or (n, k).
void peer_fill_a(const peer_job *job, void *out);
void peer_fill_b(const peer_job *job, void *out);
size_t peer_size(peer_type type);

// Zeroed memory on huge pages where the system has them; the peer that pays for small pages is not the one to beat.
void *peer_allocate(size_t bytes);
void peer_free(void *memory);
int64_t peer_nanoseconds(void);

// Each thread of this process on a hardware thread of its own, where there are as many of one as of the other. OpenMP
// runtimes do this themselves (OMP_PROC_BIND); without it two workers may share a core for a whole run.
void peer_pin_threads(void);
#endif
