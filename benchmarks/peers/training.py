"""Whole training steps, ours and the peers', in alternation: `make peers-training` (README.md says what is compared).

Every turn is a process of its own, and only one runs at a time: it trains a few steps on random tokens and prints a line
of JSON for each, of which the first ones are not counted. Rounds go on until a shape's share of the time is used.
"""

import argparse
import json
import os
import select
import subprocess
import sys
import time

from training_shapes import SHAPES, chosen

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILT = os.path.join(ROOT, ".build", "peers")
# What is run as ours.
OURS = (
    "{root}/.build/release/alambic profile --lines --model {model} --vocabulary {vocabulary} --batch {batch}"
    " --context {length} --dropout {rate} --dtype {dtype} --steps {steps} --threads {threads}"
)
# glibc keeps what it is given back and puts its heap on huge pages: README.md, "Huge pages and a heap that is kept".
KEPT_HEAP = {
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1:glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=68719476736"
    ":glibc.malloc.top_pad=268435456"
}
# What an inherited environment may not decide.
WITHHELD = ("OPENBLAS_", "OMP_", "GOMP_", "KMP_", "MKL_", "DNNL_", "ONEDNN_", "GLIBC_TUNABLES", "ALAMBIC_")
DTYPES = ("f32", "bf16", "int8-mixed")


class Contestant:
    """A way of training: its name, its command for a shape and a dtype, its environment, the dtypes that it has."""

    def __init__(self, name, command, environment={}, dtypes=DTYPES[:2], missing=None):
        self.name, self.command, self.environment, self.dtypes = name, command, environment, dtypes
        self.missing = missing  # why it cannot run


class Failure(Exception):
    pass


def contestants(ours, threads):
    """Everyone, ours first."""

    def our_command(shape, dtype, steps):
        return ours.format(
            root=ROOT, model=shape.model.removesuffix("-dropout"), vocabulary=shape.vocabulary, batch=shape.batch,
            length=shape.length, rate=shape.dropout, dtype=dtype, steps=steps, threads=threads,
        ).split()

    def torch_command(*flags):
        def command(shape, dtype, steps):
            script = os.path.join(ROOT, "benchmarks/peers/training_torch.py")
            sizes = shape.options() + ["--steps", str(steps), "--threads", str(threads), "--dtype", dtype]
            return [os.path.join(BUILT, "venv/bin/python"), script, *sizes, *flags]

        return command

    def llmc_command(shape, dtype, steps):
        return [os.path.join(BUILT, "llmc"), *map(str, shape.numbers()), str(steps)]

    def unless(path, why):
        return None if os.access(path, os.X_OK) else why

    torch = unless(os.path.join(BUILT, "venv/bin/python"), "`make peers` installs it")
    llmc = unless(os.path.join(BUILT, "llmc"), "`make peers` clones and builds it; LLMC=DIR names a checkout")
    binary = ours.split()[0].format(root=ROOT)
    return [
        Contestant("ours", our_command, dtypes=DTYPES, missing=unless(binary, f"{binary} is not built")),
        Contestant("torch", torch_command(), missing=torch),
        Contestant("torch tuned", torch_command(), KEPT_HEAP, missing=torch),
        Contestant("torch compiled", torch_command("--compile"), KEPT_HEAP, missing=torch),
        Contestant("llm.c", llmc_command, dtypes=("f32",), missing=llmc),
        Contestant("llm.c tuned", llmc_command, KEPT_HEAP, dtypes=("f32",), missing=llmc),
    ]


def environment(contestant, threads):
    kept = {key: value for key, value in os.environ.items() if not key.startswith(WITHHELD)}
    numbers = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))
    return kept | numbers | {"OMP_PROC_BIND": "true", "PYTHONDONTWRITEBYTECODE": "1"} | contestant.environment


def lines_of(process, deadline):
    """The process's output line by line, until it ends; a Failure when the time is over."""
    buffer = b""
    while True:
        ready, _, _ = select.select([process.stdout], [], [], max(0, deadline - time.monotonic()))
        if not ready:
            raise Failure("not done within its time")
        chunk = os.read(process.stdout.fileno(), 65536)
        if not chunk:
            return
        *lines, buffer = (buffer + chunk).split(b"\n")
        yield from lines


def turn(contestant, shape, dtype, threads, limit):
    """One process's steps, and its peak memory in bytes."""
    command = contestant.command(shape, dtype, shape.warmup + shape.steps)
    units = sorted(os.sched_getaffinity(0))[:threads]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(contestant, threads), cwd=ROOT,
        preexec_fn=lambda: os.sched_setaffinity(0, units),
    )
    steps, failure = [], None
    os.set_blocking(process.stderr.fileno(), False)
    complaints = b""
    try:
        for line in lines_of(process, time.monotonic() + limit):
            complaints = (complaints + (process.stderr.read() or b""))[-4000:]
            if line.startswith(b"{"):
                steps.append(json.loads(line))
    except (Failure, ValueError) as problem:
        failure = str(problem)
        process.kill()
    # The kernel's own figure, VmHWM of the process that has ended.
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    complaints += process.stderr.read() or b""
    process.stdout.close()
    process.stderr.close()
    if failure is None and process.returncode != 0:
        last = complaints.decode(errors="replace").strip().splitlines()
        failure = f"exit {process.returncode}" + (f": {last[-1][:200]}" if last else "")
    if failure is None and len(steps) != shape.warmup + shape.steps:
        failure = f"{len(steps)} steps instead of {shape.warmup + shape.steps}"
    if failure is None:
        failure = shape.objection(steps)
    if failure:
        raise Failure(failure)
    return steps[shape.warmup :], usage.ru_maxrss * 1024


class Result:
    def __init__(self, name):
        self.name, self.steps, self.peak, self.seconds = name, [], 0, 0.0

    def add(self, steps, peak, seconds):
        self.steps += [step["ns"] for step in steps]
        self.peak, self.seconds = max(self.peak, peak), seconds

    def best(self):
        return min(self.steps) / 1e9

    def median(self):
        ordered = sorted(self.steps)
        middle = len(ordered) // 2
        return (ordered[middle] + ordered[-middle - 1]) / 2e9


def milliseconds(seconds):
    return f"{seconds * 1e3:,.0f}" if seconds >= 1 else f"{seconds * 1e3:.3g}" if seconds >= 0.1 else f"{seconds * 1e3:.2f}"


def tell(text):
    print(text, file=sys.stderr, flush=True)


def is_llmc(name):
    return name.startswith("llm.c")


def compete(shape, dtype, everyone, rounds, threads, budget):
    """Rounds of turns; the results of those who could do it."""
    started = time.monotonic()
    results = {one.name: Result(one.name) for one in everyone if dtype in one.dtypes and shape.fits(one.name)}
    for number in range(rounds):
        needed = sum(result.seconds for result in results.values())
        if number and time.monotonic() - started + needed > budget:
            break
        for one in everyone:
            # The slowest by far is run once: what it is compared with needs no second digit.
            if one.name not in results or (is_llmc(one.name) and number):
                continue
            before = time.monotonic()
            try:
                steps, peak = turn(one, shape, dtype, threads, limit=900)
            except (Failure, OSError) as problem:
                tell(f"{shape.text} {dtype}, {one.name}: {problem}; it is left out")
                del results[one.name]
                continue
            results[one.name].add(steps, peak, time.monotonic() - before)
            spent = [step["ns"] / 1e9 for step in steps]
            times = f"{milliseconds(min(spent))} to {milliseconds(max(spent))} ms, load {os.getloadavg()[0]:.2f}"
            tell(f"{shape.text} {dtype}, round {number + 1}, {one.name}: {times}")
            if is_llmc(one.name):
                results[one.name].seconds = 0
    return list(results.values())


def table(rows):
    header = ["shape", "dtype", "who", "steps", "best ms", "median ms", "tokens/s best", "median", "GFLOP/s best",
              "times ours, best", "median", "peak GiB"]
    text = [header] + rows
    widths = [max(len(row[column]) for row in text) for column in range(len(header))]

    def line(cells):
        padded = (cell.ljust(width) if i < 3 else cell.rjust(width) for i, (cell, width) in enumerate(zip(cells, widths)))
        return "| " + " | ".join(padded) + " |"

    rule = "|" + "|".join("-" * (width + 1) + ("-" if i < 3 else ":") for i, width in enumerate(widths)) + "|"
    return "\n".join([line(header), rule] + [line(row) for row in rows])


def rows_of(shape, dtype, results):
    """A row each; the ratios are that of a peer's time over ours: above 1 ours is faster."""
    ours = next((result for result in results if result.name == "ours"), None)
    rows = []
    for result in results:
        best, median = result.best(), result.median()
        against = ["", ""]
        if ours and result is not ours:
            against = [f"{best / ours.best():.2f}", f"{median / ours.median():.2f}"]
        rows.append([
            shape.text, dtype, result.name, str(len(result.steps)), milliseconds(best), milliseconds(median),
            f"{shape.tokens / best:,.0f}", f"{shape.tokens / median:,.0f}", f"{shape.flops / best / 1e9:.0f}", *against,
            f"{result.peak / 2**30:.2f}",
        ])
    return rows


def read_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shapes", default="quick", help="names, comma-separated, or quick, or all (see --list)")
    parser.add_argument("--dtypes", default="f32,bf16", help="of f32, bf16, int8-mixed (ours alone)")
    parser.add_argument("--only", help="who takes part, comma-separated: ours, torch, torch tuned, …")
    parser.add_argument("--rounds", type=int, default=5, help="at most so many")
    parser.add_argument("--minutes", type=float, default=9, help="no round starts that would end later; one is always run")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--ours", default=OURS, help="our command; default: %(default)s")
    parser.add_argument("--out", help="a file for the results, one line of JSON for each row")
    parser.add_argument("--list", action="store_true", help="list the shapes")
    return parser.parse_args()


def main():
    arguments = read_arguments()
    if arguments.list:
        for name, shape in SHAPES.items():
            print(f"{name:24} {shape.layers} layers, width {shape.width}, vocabulary {shape.vocabulary}, "
                  f"dropout {shape.dropout}, {shape.flops / 1e9:,.1f} GFLOP a step")
        return 0
    everyone = contestants(arguments.ours, arguments.threads)
    if arguments.only:
        names = [name.strip() for name in arguments.only.split(",")]
        unknown = set(names) - {one.name for one in everyone}
        if unknown:
            tell(f"training.py: no contestant {', '.join(sorted(unknown))}; there are {', '.join(o.name for o in everyone)}")
            return 64
        everyone = [one for one in everyone if one.name in names]
    for one in everyone:
        if one.missing:
            tell(f"{one.name} does not take part: {one.missing}")
    everyone = [one for one in everyone if not one.missing]
    try:
        works = [(shape, dtype) for shape in chosen(arguments.shapes) for dtype in arguments.dtypes.split(",")]
    except KeyError as name:
        tell(f"training.py: no shape {name}; --list names them")
        return 64
    tell(f"load {' '.join(f'{value:.2f}' for value in os.getloadavg())}, {arguments.threads} threads")
    started, all_rows = time.monotonic(), []
    for index, (shape, dtype) in enumerate(works):
        # What one shape leaves over goes to those after it.
        budget = (arguments.minutes * 60 - (time.monotonic() - started)) / (len(works) - index)
        results = compete(shape, dtype, everyone, arguments.rounds, arguments.threads, budget)
        all_rows += rows_of(shape, dtype, results)
        if arguments.out:
            with open(arguments.out, "a") as file:
                for result in results:
                    row = {"shape": shape.text, "dtype": dtype, "who": result.name, "tokens": shape.tokens,
                           "threads": arguments.threads, "samples_ns": result.steps, "peak_bytes": result.peak,
                           "load": os.getloadavg()[0]}
                    file.write(json.dumps(row) + "\n")
    print(table(all_rows))
    return 0 if all_rows else 1


if __name__ == "__main__":
    sys.exit(main())
