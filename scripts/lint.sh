#!/bin/sh
# What a command can check of the project's habits. Prints every finding, fails if there is one.
set -u
cd "$(dirname "$0")/.." || exit 1
failed=0
report() { # title, findings
    [ -z "$2" ] && return
    printf 'lint: %s\n%s\n\n' "$1" "$2"
    failed=1
}
search() { git grep -nE "$@" 2>/dev/null; }

report "swift-format" "$(swift format lint --strict --recursive --parallel Package.swift Sources Tests benchmarks 2>&1 | head -40)"
if command -v clang-format >/dev/null 2>&1; then
    report "clang-format" "$(git ls-files 'CKernels/*.c' 'CKernels/*.h' | xargs clang-format --dry-run -Werror 2>&1 | grep -E 'error:' | head -20)"
fi
report "CKernels is imported by AlambicKernels alone" \
    "$(search 'import CKernels' -- Sources benchmarks Tests | grep -v '^Sources/AlambicKernels/')"
report "OpenMP lives in runtime/parallel.c" "$(search '#pragma omp|omp_[a-z_]+\(' -- CKernels | grep -v '^CKernels/runtime/parallel.c')"
report "hwloc lives in runtime/topology.c" "$(search 'hwloc_|<hwloc' -- CKernels | grep -v '^CKernels/runtime/topology.c')"
report "no process-wide calls in C" \
    "$(search '(^|[^a-zA-Z_])(exit|abort|getenv|setenv|printf|fprintf|puts|perror)\(' -- 'CKernels/*.c' 'CKernels/*.h' ':!CKernels/tests')"
report "no intrinsics in drivers" "$(for f in $(git grep -lE 'immintrin.h|arm_neon.h' -- CKernels); do
    case "$f" in *avx2*|*avx512*|*amx*|*neon*|*dotprod*|*i8mm*|CKernels/vector/*|CKernels/runtime/isa.c|CKernels/runtime/each_width.inc.h) ;; *) echo "$f" ;; esac; done)"
report "no traps on input" "$(search 'fatalError\(|try!|as!' -- Sources benchmarks)"
report "unfinished marks" "$(search '\<(TODO|FIXME|XXX|HACK)\>|#if 0' -- CKernels Sources benchmarks Tests)"

# Dependency direction: module, then the modules that it may import.
allowed() { # module, allowed…
    module=$1; shift
    pattern=$(printf '|%s' "$@"); pattern=${pattern#|}
    report "$module imports only: $*" "$(search '^(@_exported |@testable )?import Alambic[A-Za-z]*' -- "Sources/$module" | grep -vE "import ($pattern)\$")"
}
leaf="AlambicFiles AlambicTokenizers"
base="AlambicKernels AlambicTensor"
models="$base $leaf AlambicModels"
training="$models AlambicOptimizers AlambicTraining"
allowed AlambicFiles none
allowed AlambicReport none
allowed AlambicTokenizers none
allowed AlambicKernels none
allowed AlambicTensor AlambicKernels
allowed AlambicOptimizers $base
allowed AlambicModels $base $leaf
allowed AlambicTraining $models AlambicOptimizers
for method in AlambicDistillation AlambicPruning AlambicQuantization AlambicParallel; do allowed $method $training; done

long=$(git ls-files 'CKernels/*' 'Sources/*' 'benchmarks/*' 'Tests/*' ':!*.jsonl' ':!*.safetensors' | while read -r f; do
    n=$(wc -l <"$f"); [ "$n" -gt 500 ] && echo "  $n $f"; done)
report "files that no longer read in one sitting (over 500 lines)" "$long"

[ "$failed" = 0 ] && echo "lint: nothing found"
exit "$failed"
