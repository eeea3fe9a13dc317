import Foundation

@testable import bench

/// A competitor written as a shell script.
struct FakePeer {
    let program: PeerProgram

    /// `body` is run for every line of the input, split into `$1 $2 …`, with the whole of it in `$line`.
    init(_ body: String, name: String = "fake") {
        let script = """
            while IFS= read -r line; do
                set -- $line
                \(body)
            done
            """
        program = PeerProgram(name: name, executable: "/bin/sh", arguments: ["-c", script])
    }

    /// A peer that behaves, and whose runs take `nanoseconds` each by its own account.
    static func honest(_ nanoseconds: Int, version: String = "fake 1.0", detail: String = "a way") -> FakePeer {
        FakePeer(
            """
            case $1 in
            version) echo "\(version)" ;;
            prepare) echo "ok \(detail)" ;;
            run) i=0; out=; while [ $i -lt $2 ]; do out="$out $((\(nanoseconds) + i))"; i=$((i + 1)); done; echo $out ;;
            quit) exit 0 ;;
            esac
            """)
    }
}

/// One of our rows, as the harness would give it: `ns` for every run, half of the limit.
func measurement(_ ns: [Int], case name: String = "matmul", fraction: Double = 0.5) -> bench.Measurement {
    let least = ns.min() ?? 1
    let sorted = ns.sorted()
    return bench.Measurement(
        case: name, shape: "8x8x8", dtype: "f32", variant: "avx512", isa: "avx512", threads: 1, pattern: "read",
        cold: false, ops: 1024, bytes: 768, samplesNs: ns, minNs: least, medianNs: sorted[sorted.count / 2],
        maxNs: sorted[sorted.count - 1], opsPerS: 1024 / Double(least) * 1e9, bytesPerS: 768 / Double(least) * 1e9,
        limitFraction: fraction)
}

let smallRequest = PeerRequest(work: .f32, shape: BenchShape(8, 8, 8), threads: 1, coldBytes: nil)
