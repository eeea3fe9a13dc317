// swift-format-ignore-file: AlwaysUseLowerCamelCase
// M, N and K are the names that the field uses.

import AlambicKernels

/// Which weights of a benchmark are zero together.
enum ZeroPattern {
    /// Each for itself.
    case elements
    /// 16 columns by four bytes of K, the blocks of `PackedMatrix.Form.blocks`.
    case blocks
}

/// Weights `[N, K]` without a zero, of which more and more are struck out.
struct StruckWeights<Element: MatrixElement & Numeric> {
    let N: Int, K: Int
    let weights: Memory<Element>
    /// Columns, and steps of K, that are struck out together.
    private let columns: Int, steps: Int
    /// One number from 0 up to 1 for each of them: it is zero from that sparsity on.
    private let draws: Memory<Float>

    init(_ weights: Memory<Element>, N: Int, K: Int, _ pattern: ZeroPattern, on context: Context) throws {
        (self.N, self.K, self.weights) = (N, K, weights)
        columns = pattern == .elements ? 1 : 16
        steps = pattern == .elements ? 1 : max(4 / MemoryLayout<Element>.size, 1)
        draws = try Memory<Float>(count: (N + columns - 1) / columns * ((K + steps - 1) / steps))
        try uniform(seed: 9, stream: 2, into: draws.mutableSpan, on: context)
        var span = weights.mutableSpan
        for i in 0..<N * K where span[i] == 0 { span[i] = 1 }
    }

    /// Strikes out so many percent. What is gone stays gone. Returns how many weights are left.
    func strike(percent: Int) -> Int {
        var span = weights.mutableSpan
        let drawn = draws.span, groups = (K + steps - 1) / steps
        let least = Float(percent) / 100
        var kept = 0
        for row in 0..<N {
            for group in 0..<groups {
                let range = group * steps..<min((group + 1) * steps, K)
                if drawn[row / columns * groups + group] >= least {
                    kept += range.count
                } else {
                    for k in range { span[row * K + k] = 0 }
                }
            }
        }
        return kept
    }
}

extension MatmulOperands {
    /// B packed ahead from weights of which so many percent are zero, in as many copies as are cold; and how many are not zero.
    func packed(
        _ form: PackedMatrix.Form, _ pattern: ZeroPattern, percent: Int
    ) throws -> (copies: [PackedMatrix], kept: Int) {
        func copies<Element: MatrixElement & Numeric>(
            _ weights: Memory<Element>
        ) throws -> (copies: [PackedMatrix], kept: Int) {
            let struck = try StruckWeights(weights, N: N, K: K, pattern, on: context)
            let kept = struck.strike(percent: percent)
            func pack() throws -> PackedMatrix {
                try PackedMatrix(product, weights.span, N: N, K: K, form: form, on: context)
            }
            let first = try pack()
            let count = context.machine.coldCopies(ofBytes: first.bytes)
            return (try [first] + (1..<count).map { _ in try pack() }, kept)
        }
        switch product {
        case .f32: return try copies(try ramp(N * K))
        case .bf16: return try copies(try halves(N * K, .bf16))
        default: return try copies(try randomBytes(N * K))
        }
    }
}
