#!/bin/sh
# A package that depends on a tag of this one builds and runs: what a user does who links the library. The example in
# README is the program that is run here.
set -eu
cd "$(dirname "$0")/.."
root=$(pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
git clone -q --no-hardlinks "$root" "$work/alambic"
# What is being worked on counts, not what was committed last.
git ls-files -z | xargs -0 tar cf - 2>/dev/null | tar xf - -C "$work/alambic"
cd "$work/alambic"
git add -A
git -c user.name=test -c user.email=test@localhost commit -q --allow-empty -m "Working tree"
git tag 99.0.0
mkdir -p "$work/consumer/Sources/example"
cd "$work/consumer"
cat >Package.swift <<EOF
// swift-tools-version: 6.2
import PackageDescription

let package = Package(
    name: "example",
    dependencies: [.package(url: "file://$work/alambic", from: "99.0.0")],
    targets: [.executableTarget(name: "example", dependencies: [.product(name: "Alambic", package: "alambic")])]
)
EOF
awk '/^```swift$/ { block++; if (block == 2) { inside = 1; next } } /^```$/ { inside = 0 } inside' "$root/README.md" >Sources/example/main.swift
[ -s Sources/example/main.swift ] || { echo "test-consumer: README has no second swift block" >&2; exit 1; }
cp "$root/LICENSE" input.txt
swift build 2>&1 | tail -3
swift run --skip-build example
echo "test-consumer: a package that depends on a tag builds and runs"
