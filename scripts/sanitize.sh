#!/bin/sh
# Kernel and file tests under the address and undefined-behaviour sanitizers, each in its own build folder.
set -eu
cd "$(dirname "$0")/.."
# libomp keeps its workers' memory until the process ends, which is no leak of ours.
export ASAN_OPTIONS="detect_leaks=0:allocator_may_return_null=1"
export UBSAN_OPTIONS="halt_on_error=1:print_stacktrace=1"
for sanitizer in address undefined; do
    echo "sanitize: $sanitizer"
    swift test --sanitize="$sanitizer" --scratch-path ".build/sanitize-$sanitizer" -Xswiftc "-DSANITIZE_$sanitizer" \
        --filter 'AlambicKernelsTests|AlambicFilesTests'
done
