import AlambicKernels

/// Measures the products of a weight in every form that it can have.
public protocol FormMeasurer: Sendable {
    /// Seconds of one product by form and rows of activations.
    ///
    /// - Parameters:
    ///   - weight: [outputs, inputs].
    ///   - turns: how many weights as large as this are read from one use of it to the next.
    ///   - context: where it will run.
    func measure(_ weight: PackedWeight, turns: Int, on context: Context) throws(KernelError) -> FormTimes
}

/// Measures with a clock: some tens of milliseconds for each weight.
///
/// What a model reads between two uses of a weight is read between two products here, so that weights are as cold as in
/// the model: as many bytes as the other weights have in the same form, and no more than the last-level cache holds.
/// Candidates take turns, so that all see the same weather, and the best of their times counts.
public struct FormTimer: FormMeasurer {
    /// Rows of activations, M.
    public static let rows = [1, 8, 64, 512]
    /// Weights with more elements are measured on their first rows, and the times scaled.
    static let mostElements = 1 << 21
    /// There are rounds until this has passed, three at least …
    private static let enough = Duration.milliseconds(40)
    /// … and, while times are not steady, until this has.
    private static let patience = Duration.milliseconds(200)
    private static let mostRounds = 40
    /// What one core has of the last-level cache: a rented part of a machine reports all of it.
    private static let cacheOfCore = 32 << 20

    /// A timer.
    public init() {}

    /// See ``FormMeasurer/measure(_:turns:on:)``.
    public func measure(_ weight: PackedWeight, turns: Int, on context: Context) throws(KernelError) -> FormTimes {
        let (outputs, inputs) = (weight.shape.rows, weight.shape.columns)
        let sample = try weight.firstRows(min(outputs, max(64, Self.mostElements / max(1, inputs))))
        let scale = Double(outputs) / Double(max(1, sample.shape.rows))
        let candidates = try Self.candidates(sample, scale, turns, on: context)
        let cold = try ColdCaches(bytes: candidates.map(\.bytesBetween).max() ?? 0)
        let bench = try Bench(sample, on: context)
        var best = candidates.map { _ in Self.rows.map { _ in BestTwo() } }
        let start = ContinuousClock.now
        for round in 0..<Self.mostRounds {
            let (elapsed, isSteady) = (ContinuousClock.now - start, best.allSatisfy { $0.allSatisfy(\.agree) })
            if round >= 3 && elapsed > (isSteady ? Self.enough : Self.patience) { break }
            for (place, rows) in Self.rows.enumerated() {
                for (index, candidate) in candidates.enumerated() {
                    try cold.read(candidate.bytesBetween, on: context)
                    best[index][place].add(try bench.seconds(rows, candidate.matrix) * scale)
                }
            }
        }
        let seconds = zip(candidates, best).map { ($0.form, $1.map(\.first)) }
        return FormTimes(
            rows: Self.rows, seconds: Dictionary(seconds) { first, _ in first },
            isSteady: best.allSatisfy { $0.allSatisfy(\.agree) })
    }

    /// The two shortest times of several.
    private struct BestTwo {
        private(set) var first = Double.infinity
        private var second = Double.infinity

        /// Whether both are about the same: one short time may be luck, and on a busy machine all are too long.
        var agree: Bool { second <= first * 1.2 }

        mutating func add(_ seconds: Double) {
            second = min(second, max(first, seconds))
            first = min(first, seconds)
        }
    }

    private struct Candidate {
        let form: PackedMatrix.Form
        let matrix: PackedMatrix
        let bytesBetween: Int
    }

    private static func candidates(
        _ weight: PackedWeight, _ scale: Double, _ turns: Int, on context: Context
    ) throws(KernelError) -> [Candidate] {
        let machine = context.machine
        let cache = min(
            machine.l3Bytes > 0 ? machine.l3Bytes : cacheOfCore,
            cacheOfCore * max(1, min(context.threads, machine.cores)))
        var candidates: [Candidate] = []
        for form in PackedMatrix.Form.allCases where weight.product.allows(form) {
            let matrix: PackedMatrix
            do {
                matrix = try weight.packed(as: form, on: context)
            } catch  where form != .dense && error.code != .noMemory {
                // Not every product has every form.
                continue
            }
            let others = Double(matrix.bytes) * scale * Double(turns - 1)
            candidates.append(Candidate(form: form, matrix: matrix, bytesBetween: Int(min(others, Double(cache)))))
        }
        return candidates
    }
}

/// Memory that is read so that something else leaves the caches.
private struct ColdCaches {
    private let buffer: Tensor?

    init(bytes: Int) throws(KernelError) {
        guard bytes > 0 else {
            buffer = nil
            return
        }
        let buffer = try Tensor([bytes / MemoryLayout<Float>.stride + 1])
        // Pages that nobody wrote to are all the same page.
        buffer.withUnsafeMutableBytes { bytes in
            for place in stride(from: 0, to: bytes.count, by: 4096) { bytes[place] = 1 }
        }
        self.buffer = buffer
    }

    func read(_ bytes: Int, on context: Context) throws(KernelError) {
        guard let buffer, bytes > 0 else { return }
        _ = try sumOfSquares(buffer.storage.span(0..<bytes / MemoryLayout<Float>.stride), on: context)
    }
}

/// Activations and results.
private struct Bench {
    private let x: Tensor
    private let y: Tensor
    private let context: Context

    init(_ weight: PackedWeight, on context: Context) throws(KernelError) {
        let most = FormTimer.rows.max() ?? 1
        x = try Tensor([most, weight.shape.columns])
        y = try Tensor([most, weight.shape.rows])
        self.context = context
        var elements = x.mutableSpan
        for i in 0..<elements.count { elements[i] = Float(i % 17) - 8 }
    }

    func seconds(_ rows: Int, _ matrix: PackedMatrix) throws(KernelError) -> Double {
        let (x, y) = (x.rows(0..<rows), y.rows(0..<rows))
        // In a model the activations have just been written.
        _ = try sumOfSquares(x.span, on: context)
        let start = ContinuousClock.now
        try matmul(M: rows, x.span, matrix, into: y.mutableSpan, epilogue: Epilogue(), on: context)
        return (ContinuousClock.now - start) / .seconds(1)
    }
}
