import AlambicKernels

/// A shape in the notation of the result files, such as `1024x1024x1024` (M x N x K for products).
struct BenchShape: Sendable, CustomStringConvertible {
    let extents: [Int]
    init(_ extents: Int...) { self.extents = extents }
    var description: String { extents.map(String.init).joined(separator: "x") }
    subscript(_ index: Int) -> Int { extents[index] }
}

/// One thing to time, ready to run: its buffers exist, in several copies when the case is cold.
struct Workload {
    /// Multiplications plus additions of one run, 0 when the case is pure traffic.
    var ops: Double
    /// Bytes that one run must move at least, read plus written; what it does move is its own affair.
    var bytes: Double
    /// The peak that bounds the arithmetic.
    var peak: PeakType
    /// The traffic that bounds the memory side.
    var pattern: TrafficPattern
    /// Separate sets of buffers; the harness rotates over them so that a cold run never finds its data in a cache.
    var copies: Int
    /// Runs once on the given set of buffers.
    var run: (_ copy: Int) throws -> Void
}

/// One operation in one data type, with every variant that implements it.
struct BenchCase: Sendable {
    /// The operation's folder name in CKernels.
    let name: String
    let dtype: String
    let summary: String
    let variants: [Variant]
    let shapes: [BenchShape]
    let isCold: Bool
    let prepare: @Sendable (BenchShape, Context) throws -> Workload
    /// A competitor that runs in the same process on the same shapes, such as OpenBLAS.
    var peer: Peer?

    struct Peer: Sendable {
        let name: String
        let prepare: @Sendable (BenchShape, _ threads: Int) throws -> Workload
    }
}

extension Machine {
    /// How many sets of buffers of `bytes` each together exceed the last-level cache eight times over.
    func coldCopies(ofBytes bytes: Int) -> Int {
        let cache = max(l3Bytes, l2Bytes, 8 << 20)
        return max(2, (8 * cache + bytes - 1) / max(bytes, 1))
    }
}
