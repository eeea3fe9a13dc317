#!/bin/sh
# Installs the native libraries that Alambic links, and nothing that is already there. Says what it does.
set -eu

if ! command -v swift >/dev/null 2>&1; then
    echo "make deps: no 'swift' on PATH; install Swift 6.2 or later from swift.org, then run this again" >&2
    exit 1
fi

if [ "$(uname -s)" != Linux ]; then
    echo "make deps: on this platform install OpenBLAS yourself (macOS: 'brew install openblas pkg-config'); nothing was changed"
    exit 0
fi

if ! command -v dpkg-query >/dev/null 2>&1 || ! command -v apt-get >/dev/null 2>&1; then
    found=1
    for library in openblas hwloc zlib; do pkg-config --exists "$library" 2>/dev/null || found=0; done
    if [ "$found" = 1 ]; then
        echo "make deps: openblas, hwloc and zlib found by pkg-config; libomp (as -lomp5) must be installed too"
        exit 0
    fi
    echo "make deps: this is not Debian or Ubuntu; install OpenBLAS, LLVM's OpenMP runtime (libomp), hwloc and zlib with their headers, and pkg-config" >&2
    echo "  Fedora: dnf install openblas-devel libomp-devel hwloc-devel zlib-devel pkgconf" >&2
    exit 1
fi

missing=""
for package in libopenblas-dev libomp-dev libhwloc-dev zlib1g-dev pkg-config make; do
    status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$status" = installed ] || missing="$missing $package"
done
# Beside LLVM's OpenMP runtime another one would fight for the cores, and factorizations would depend on its threads.
case "$(readlink -f /usr/lib/*/libopenblas.so.0 2>/dev/null || true)" in
    *openblas-openmp*)
        echo "make deps: libopenblas is the build over another OpenMP runtime: 'apt-get install libopenblas0-pthread', then 'update-alternatives --config libopenblas.so.0-$(uname -m)-linux-gnu'" >&2 ;;
esac
if [ -z "$missing" ]; then
    exit 0
fi

asRoot=""
if [ "$(id -u)" != 0 ]; then
    if ! command -v sudo >/dev/null 2>&1; then
        echo "make deps: missing$missing; run as root: apt-get install$missing" >&2
        exit 1
    fi
    asRoot=sudo
fi
echo "make deps: installing$missing with ${asRoot:+$asRoot }apt-get"
$asRoot apt-get update -qq
# shellcheck disable=SC2086
DEBIAN_FRONTEND=noninteractive $asRoot apt-get install -y -qq --no-install-recommends $missing >/dev/null
echo "make deps: done"
