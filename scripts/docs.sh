#!/bin/sh
# DocC archives of the library modules, from their doc comments, in .build/docs.
set -eu
cd "$(dirname "$0")/.."
graphs=.build/symbol-graphs
rm -rf "$graphs" .build/docs
mkdir -p "$graphs" .build/docs
swift build --product alambic -Xswiftc -emit-symbol-graph -Xswiftc -emit-symbol-graph-dir -Xswiftc "$graphs"
for module in Kernels Tensor Files Tokenizers Models Optimizers Training Distillation Pruning Quantization Parallel; do
    name=Alambic$module
    mkdir -p "$graphs/$name"
    cp "$graphs/$name".symbols.json "$graphs/$name/" 2>/dev/null || { echo "docs: no symbols of $name" >&2; exit 1; }
    docc convert --fallback-display-name "$name" --fallback-bundle-identifier "alambic.$name" \
        --additional-symbol-graph-dir "$graphs/$name" --output-path ".build/docs/$name.doccarchive"
done
echo "docs: .build/docs"
