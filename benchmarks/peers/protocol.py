"""What the Python peers share: the line protocol (README.md), the operands, the check of every result, the clock.

A peer supplies `version()` and `candidates(operands)`: several ways of doing the same work, of which the fastest right
one is kept. Every candidate is checked on a small shape and on the real one before anything is timed.
"""

import math
import os
import sys
import time

import numpy as np

WORKS = (
    "f32", "f32-nn", "f32-nt", "f32-tn", "bf16", "f16", "s8", "dynamic-s8", "w8", "int4-g32", "int4-g128",
    "csr-80", "csr-90", "csr-95",
)
SMALL = (7, 48, 128)
MINIMUM_SAMPLE = 20_000  # nanoseconds; shorter runs are timed in batches


class Unsupported(Exception):
    """This peer has no such operation here; the text says which."""


class Operands:
    """C[M,N] = A[M,K] W[N,K]ᵀ. Integers from -127 to 127, and A = a/128: exact in f32, bf16, f16 and int8.

    `a` and `w` are the integers; `weights` is what they stand for: w/128, or w times its column's scale (dynamic-s8,
    w8), or w times its group's scale (int4, w from -8 to 7). Scales have four significant bits, so that an int4
    weight is exact in bf16.
    """

    def __init__(self, work, M, N, K):
        self.work, self.M, self.N, self.K = work, M, N, K
        drawn = np.random.default_rng(M * 7919 + N * 104729 + K)
        self.a = drawn.integers(-127, 128, (M, K), dtype=np.int8)
        self.group = int(work[6:]) if work.startswith("int4") else 0
        if self.group:
            if K % self.group:
                raise Unsupported(f"K = {K} is not a multiple of the group of {self.group}")
            self.w = drawn.integers(-8, 8, (N, K), dtype=np.int8)
            self.scales = ((8 + drawn.integers(0, 8, (N, K // self.group))) / 1024).astype(np.float32)
        else:
            self.w = drawn.integers(-127, 128, (N, K), dtype=np.int8)
            scaled = work in ("dynamic-s8", "w8")
            self.scales = ((8 + drawn.integers(0, 8, N)) / 1024).astype(np.float32) if scaled else None
            if work.startswith("csr-"):
                self.w[drawn.random((N, K), dtype=np.float32) < int(work[4:]) / 100] = 0

    def weight_rows(self, rows):
        w = self.w[rows].astype(np.float64)
        if self.group:
            return w * np.repeat(self.scales[rows], self.group, axis=1)
        if self.scales is not None:
            return w * self.scales[rows][:, None]
        return w if self.work == "s8" else w / 128

    def activation_rows(self, rows):
        a = self.a[rows].astype(np.float64)
        return a if self.work == "s8" else a / 128

    def check(self, output):
        """None, or where `output` is not the product within what the work's roundings allow."""
        output = np.asarray(output)
        if output.shape != (self.M, self.N):
            return f"shape {output.shape}, expected {(self.M, self.N)}"
        drawn = np.random.default_rng(1)
        rows = np.arange(self.M) if self.M <= 8 else np.unique(drawn.integers(0, self.M, 8))
        columns = np.arange(self.N) if self.N <= 64 else np.unique(drawn.integers(0, self.N, 64))
        a, w = self.activation_rows(rows), self.weight_rows(columns)
        expected = a @ w.T
        found = output[np.ix_(rows, columns)].astype(np.float64)
        error = np.abs(found - expected)
        bound = self._tolerance(a, w, expected)
        if not np.all(error <= bound):
            worst = np.unravel_index(np.argmax(np.nan_to_num(error - bound, nan=np.inf)), error.shape)
            m, n = rows[worst[0]], columns[worst[1]]
            return (
                f"wrong result at ({m}, {n}) of {self.M}x{self.N}x{self.K}: {found[worst]:.9g}, "
                f"expected {expected[worst]:.9g} within {np.broadcast_to(bound, error.shape)[worst]:.3g}"
            )
        return None

    def _tolerance(self, a, w, expected):
        if self.work == "s8":
            return 0.0
        # K roundings of a sum in f32 at worst.
        bound = self.K * 2.0**-24 * (np.abs(a) @ np.abs(w).T)
        output_bits = {"bf16": 8, "f16": 11}.get(self.work)
        if self.work == "w8" or self.group:
            output_bits = 8  # bf16 or f16 in and out is allowed
            # weights rounded to bf16: independent relative errors of at most 2^-9, six deviations of their sum
            bound += 6 * 2.0**-9 / math.sqrt(3) * np.sqrt((a**2) @ (w**2).T)
        if self.work in ("dynamic-s8", "w8") or self.group:
            # Activations in seven bits at worst: independent errors, uniform over a step; six deviations of their sum.
            step = (a.max() - a.min() if self.work == "dynamic-s8" else 2 * np.abs(a).max()) / 127
            bound += 6 * step / math.sqrt(12) * np.linalg.norm(w, axis=1)[None, :]
        if output_bits:
            bound += (np.abs(expected) + bound) * 2.0**-output_bits
        return bound


class Candidate:
    """One way of doing the work: `build(copies)` returns one function per set of weights and a reader of the output."""

    def __init__(self, name, build):
        self.name, self.build = name, build


def nanoseconds(runs, turn, count):
    before = time.perf_counter_ns()
    for i in range(turn, turn + count):
        runs[i % len(runs)]()
    return time.perf_counter_ns() - before


def threads():
    """The ids of this process's threads."""
    return set(map(int, os.listdir("/proc/self/task"))) if os.path.isdir("/proc/self/task") else set()


def pin(workers):
    """This thread and the given ones on a hardware thread each, where there are as many of one as of the other.

    OpenMP runtimes do this themselves (OMP_PROC_BIND). Without it two workers may share a core for a whole run.
    """
    units = sorted(os.sched_getaffinity(0))
    if workers and len(units) == len(workers) + 1:
        for task, unit in zip([0] + sorted(workers), units):
            os.sched_setaffinity(task, {unit})


class Session:
    def __init__(self, version, candidates, set_threads):
        self.version, self.candidates, self.set_threads = version, candidates, set_threads
        self.runs, self.cold, self.turn = None, False, 0

    def prepare(self, words):
        self.runs = None
        if len(words) not in (5, 7) or words[0] not in WORKS or (len(words) == 7 and words[5] != "cold"):
            return "unsupported no such work" if words and words[0] not in WORKS else "error malformed request"
        try:
            M, N, K, threads = (int(word) for word in words[1:5])
            rotated = int(words[6]) if len(words) == 7 else 0
        except ValueError:
            return "error malformed request"
        if min(M, N, K, threads) < 1:
            return "error extents and threads are positive"
        self.set_threads(threads)
        self.cold = len(words) == 7
        try:
            small, real = Operands(words[0], *SMALL), Operands(words[0], M, N, K)
            return self._choose(small, real, rotated)
        except Unsupported as why:
            return f"unsupported {one_line(why)}"

    def _choose(self, small, real, rotated):
        refusals, wrong, best = [], [], None
        bits = 4 if real.group else {"f32": 32, "bf16": 16, "f16": 16}.get(real.work.split("-")[0], 8)
        size = real.N * real.K * bits // 8
        copies = max(2, -(-rotated // size)) if self.cold else 1
        again = {candidate.name: candidate for candidate in self.candidates(real)}
        for candidate in self.candidates(small):
            try:
                runs, result = candidate.build(1)
                runs[0]()
                problem = small.check(result())
                if problem is None:
                    runs, result = again[candidate.name].build(copies)
                    once = nanoseconds(runs, len(runs) - 1, 1)
                    problem = real.check(result())
            except Exception as error:  # what a library refuses, it refuses with types of its own
                refusals.append(f"{candidate.name}: {one_line(error)}")
                continue
            if problem is not None:
                wrong.append(f"{candidate.name}: {problem}")
                continue
            # A first run may compile kernels; one that takes this long does something else.
            if best and once > max(4 * best[0], 200_000_000):
                continue
            nanoseconds(runs, 0, 1)
            least = min(nanoseconds(runs, i, 1) for i in range(1, 6))
            if best is None or least < best[0]:
                best = (least, candidate.name, runs)
        if best:
            self.runs = best[2]
            others = f", rejected {'; '.join(wrong)}" if wrong else ""
            return f"ok {best[1]}{others}"
        if wrong:
            return f"error {'; '.join(wrong)}"
        raise Unsupported("; ".join(refusals) or f"no {real.work}")

    def run(self, count):
        if self.runs is None:
            return "error nothing is prepared"
        first = 0
        for _ in range(1 if self.cold else 2):
            first = nanoseconds(self.runs, self.turn, 1)
            self.turn += 1
        inner = 1 if self.cold or first >= MINIMUM_SAMPLE else MINIMUM_SAMPLE // max(1, first) + 1
        samples = []
        for _ in range(count):
            samples.append(max(1, nanoseconds(self.runs, self.turn, inner) // inner))
            self.turn += inner
        return " ".join(map(str, samples))

    def answer(self, line):
        words = line.split()
        if words == ["version"]:
            return one_line(self.version())
        if words[:1] == ["prepare"]:
            return self.prepare(words[1:])
        if len(words) == 2 and words[0] == "run" and words[1].isdigit() and int(words[1]) > 0:
            return self.run(int(words[1]))
        return f"error malformed request: {line.strip()}"


def one_line(value):
    text = str(value).strip()
    return " ".join(text.splitlines()[0].split())[:300] if text else type(value).__name__


def serve(version, candidates, set_threads):
    session = Session(version, candidates, set_threads)
    for line in sys.stdin:
        if line.strip() == "quit":
            break
        print(session.answer(line), flush=True)
