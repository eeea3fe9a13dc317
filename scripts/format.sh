#!/bin/sh
# Rewrites sources in the project's format: Swift always, C where clang-format is installed.
set -eu
cd "$(dirname "$0")/.."
swift format --in-place --recursive --parallel Package.swift Sources Tests benchmarks
if command -v clang-format >/dev/null 2>&1; then
    git ls-files 'CKernels/*.c' 'CKernels/*.h' | xargs clang-format -i
else
    echo "format: no clang-format on PATH (pip install clang-format, or apt-get install clang-format); C files left as they are"
fi
