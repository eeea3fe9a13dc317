import AlambicKernels

/// A shape in the notation of the result files, such as `1024x1024x1024` (M x N x K for products).
struct BenchShape: Sendable, Hashable, CustomStringConvertible {
    let extents: [Int]
    init(_ extents: Int...) { self.extents = extents }
    init(extents: [Int]) { self.extents = extents }
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
    /// Whether its three extents are the M x N x K of a product, to which `--shapes` sets such as gpt2-124m apply.
    var takesProductShapes = true
    /// Whether the case can run a shape at all; nil: it runs every one.
    var accepts: (@Sendable (BenchShape) -> Bool)?
    /// Bytes that `prepare` will allocate at most, nil beyond what an integer holds. Nil closure: `defaultMemory`.
    var memory: (@Sendable (BenchShape, Machine) -> Int?)?

    struct Peer: Sendable {
        let name: String
        let prepare: @Sendable (BenchShape, _ threads: Int) throws -> Workload
    }

    /// Bytes that preparing this shape takes, by the case's own account or the default one; nil past 64 bits.
    func memoryNeeded(_ shape: BenchShape, on machine: Machine) -> Int? {
        if let memory { return memory(shape, machine) }
        return shape.isProduct && takesProductShapes
            ? machine.productMemory(shape, isCold: isCold) : machine.rowMemory(shape, isCold: isCold)
    }
}

extension BenchShape {
    var isProduct: Bool { extents.count == 3 }

    /// All extents multiplied, nil past 64 bits.
    var product: Int? {
        extents.reduce(1 as Int?) { total, extent in
            guard let total, case let (value, overflow) = total.multipliedReportingOverflow(by: extent), !overflow
            else { return nil }
            return value
        }
    }
}

extension Machine {
    /// How many sets of buffers of `bytes` each together exceed the last-level cache eight times over.
    func coldCopies(ofBytes bytes: Int) -> Int {
        let cache = max(l3Bytes, l2Bytes, 8 << 20)
        return max(2, (8 * cache + bytes - 1) / max(bytes, 1))
    }

    /// What copies of `bytes` each come to when they are cold, or one of them when warm.
    func rotationMemory(ofBytes bytes: Int, isCold: Bool) -> Int? {
        guard bytes <= Int.max / 4 else { return nil }
        return isCold ? bytes * coldCopies(ofBytes: bytes) : bytes
    }

    /// A product's A, B, its packed form, an unpacked source and C, in four bytes an element; cold weights in all their copies.
    func productMemory(_ shape: BenchShape, isCold: Bool) -> Int? {
        let (m, n, k) = (Double(shape[0]), Double(shape[1]), Double(shape[2]))
        let weights = 4 * n * k
        let rest = 4 * (2 * m * k + m * n + n * k)
        guard weights + rest < 1e18 else { return nil }
        guard let rotation = rotationMemory(ofBytes: Int(weights), isCold: isCold) else { return nil }
        return rotation + Int(rest)
    }

    /// Four buffers of as many floats as the shape has elements.
    func rowMemory(_ shape: BenchShape, isCold: Bool) -> Int? {
        guard let count = shape.product, count <= Int.max / 64 else { return nil }
        return rotationMemory(ofBytes: 16 * count, isCold: isCold)
    }
}
