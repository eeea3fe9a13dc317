#!/bin/sh
# A tarball of `bench` that runs on another Linux machine of this architecture without Swift: the Swift libraries are linked
# in, the C libraries that it needs besides the system's own lie beside it.
set -eu
cd "$(dirname "$0")/.."
name=alambic-bench-$(uname -m)
folder=.build/$name
swift build -c release --static-swift-stdlib --product bench --scratch-path .build/static
rm -rf "$folder"
mkdir -p "$folder/lib"
cp .build/static/release/bench "$folder/lib/bench"
strip "$folder/lib/bench" 2>/dev/null || true
cp LICENSE "$folder/"
# The C library, its loader and what belongs to them must be the machine's own.
ldd "$folder/lib/bench" | awk '$2 == "=>" && $3 ~ /^\// { print $3 }' | while read -r library; do
    case "$(basename "$library")" in
        libc.so* | libm.so* | libdl.so* | libpthread.so* | librt.so* | ld-linux*) ;;
        */swift/* | libswift* | libFoundation*)
            echo "bench-static: $library was not linked in" >&2
            exit 1 ;;
        *) cp -L "$library" "$folder/lib/" ;;
    esac
done
cat >"$folder/bench" <<'END'
#!/bin/sh
# Its own libraries first, whatever the machine has.
here=$(cd "$(dirname "$0")" && pwd)
LD_LIBRARY_PATH=$here/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} exec "$here/lib/bench" "$@"
END
chmod +x "$folder/bench"
cat >"$folder/README" <<END
Alambic's kernel benchmark. No installation: ./bench --help, ./bench matmul --output jsonl --out here.jsonl,
./bench compare there.jsonl here.jsonl. Needs Linux on $(uname -m) with the GNU C library $(ldd --version | awk 'NR == 1 { print $NF }') or later.
Alambic is under the Apache License 2.0 (LICENSE). lib/ holds the Swift runtime (Apache-2.0, linked in), OpenBLAS
(BSD-3), LLVM's OpenMP runtime (Apache-2.0 with exception), hwloc (BSD-3), libudev (LGPL-2.1) and GCC's runtime
libraries (GPL-3 with the runtime exception), as the distribution that this was built on ships them.
END
tar -C .build -czf ".build/$name.tar.gz" "$name"
rm -rf "$folder"
echo "bench-static: .build/$name.tar.gz, $(du -h ".build/$name.tar.gz" | cut -f1)"
