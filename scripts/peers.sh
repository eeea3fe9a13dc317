#!/bin/sh
# Sets up the competitors of `bench --peers` and `make peers-training` in .build/peers, each as far as this machine lets it:
# a virtual environment with torch and onnxruntime, and small C programs for oneDNN, OpenBLAS and llm.c's trainer. A missing
# piece does not stop the others.
set -u
cd "$(dirname "$0")/.." || exit 1
out=.build/peers
mkdir -p "$out"
failed=""
lacks() { # what, why
    echo "make peers: no $1: $2" >&2
    failed="$failed $1"
}

# The native libraries. oneDNN is for its peer alone, so `make deps` does not ask for it.
if command -v dpkg-query >/dev/null 2>&1 && command -v apt-get >/dev/null 2>&1; then
    missing=""
    for package in gcc libc6-dev libdnnl-dev libopenblas-dev python3-venv; do
        [ "$package" = python3-venv ] && python3 -c 'import ensurepip, venv' 2>/dev/null && continue
        status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
        [ "$status" = installed ] || missing="$missing $package"
    done
    if [ -n "$missing" ]; then
        asRoot=""
        [ "$(id -u)" = 0 ] || asRoot=sudo
        if [ -n "$asRoot" ] && ! command -v sudo >/dev/null 2>&1; then
            lacks "native libraries" "run as root: apt-get install$missing"
        else
            echo "make peers: installing$missing with ${asRoot:+$asRoot }apt-get"
            $asRoot apt-get update -qq
            # One at a time: where one is not to be had, the others still are.
            for package in $missing; do
                DEBIAN_FRONTEND=noninteractive $asRoot apt-get install -y -qq --no-install-recommends "$package" >/dev/null ||
                    lacks "$package" "apt-get could not install it"
            done
        fi
    fi
fi

compile() { # name, the peer's name, package, linker flags…
    source=benchmarks/peers/$1.c; target=$out/$1; what=$2; package=$3
    shift 3
    if ${CC:-cc} -O2 -std=gnu11 -Wall -Wextra -Ibenchmarks/peers "$source" benchmarks/peers/peer.c -o "$target" "$@" -lm 2>"$target.log"; then
        rm -f "$target.log"
        echo "make peers: $what is ready"
    else
        lacks "$what" "install $package (the compiler's complaint is in $target.log)"
    fi
}
compile onednn oneDNN libdnnl-dev -ldnnl
compile openblas OpenBLAS libopenblas-dev -ldl

# llm.c's CPU trainer, with the flags of its own Makefile. LLMC names a checkout; without one it is cloned.
llmc=${LLMC:-$out/llm.c}
if [ -z "${LLMC:-}" ] && [ ! -f "$llmc/train_gpt2.c" ]; then
    git clone -q --depth 1 https://github.com/karpathy/llm.c "$llmc" 2>/dev/null || true
fi
if [ -f "$llmc/train_gpt2.c" ]; then
    if gcc -Ofast -march=native -fopenmp -DOMP -w "-I$llmc" benchmarks/peers/llmc.c -o "$out/llmc" -lm 2>"$out/llmc.log"; then
        rm -f "$out/llmc.log"
        echo "make peers: llm.c is ready"
    else
        lacks llm.c "$llmc/train_gpt2.c does not compile (the compiler's complaint is in $out/llmc.log)"
    fi
else
    lacks llm.c "there is no $llmc/train_gpt2.c, and github.com/karpathy/llm.c cannot be cloned; LLMC=DIR names a checkout"
fi

# torch's usual Linux wheel brings CUDA, several gigabytes of it. Where pip knows a folder with a wheel for CPUs
# (`pip config set global.find-links FOLDER`), that one is taken; TORCH=torch==VERSION asks for another.
if [ ! -x "$out/venv/bin/python" ]; then
    python3 -m venv "$out/venv" || lacks "Python environment" "python3 with venv is needed"
fi
if [ -x "$out/venv/bin/python" ]; then
    pip="$out/venv/bin/python -m pip"
    if [ -z "${TORCH:-}" ] && ! $pip show -q torch 2>/dev/null; then
        $pip install -q --no-index --no-deps torch >/dev/null 2>&1 || true
    fi
    for package in numpy "${TORCH:-torch}" onnxruntime onnx; do
        $pip install -q "$package" || lacks "$package" "pip could not install it"
    done
    for module in torch onnxruntime; do
        "$out/venv/bin/python" -c "import $module; print('make peers: $module', $module.__version__, 'is ready')" ||
            lacks "$module" "it cannot be imported"
    done
fi
[ -z "$failed" ] || { echo "make peers: missing:$failed; the others can run" >&2; exit 1; }
