// swift-format-ignore-file: AlwaysUseLowerCamelCase
// M, N and K are the names that the field uses.

import AlambicKernels
import AlambicTestSupport

/// A product whose weights are partly zero, of small whole numbers: sums in double precision are exact, and so are those of
/// every product.
struct SparseProductCase: CustomStringConvertible {
    /// What is zero or not as a whole.
    enum Zeros {
        case elements
        /// 16 columns by four bytes of K.
        case blocks
    }

    let M: Int, N: Int, K: Int, product: MatrixProduct, orientation: Orientation
    let seed: UInt64
    let a: [Float]  // [M, K]
    var w: [Float]  // [N, K]

    /// - Parameter sparsity: the probability that an element, or a block, is zero.
    init(
        M: Int, N: Int, K: Int, _ product: MatrixProduct, _ orientation: Orientation = .transposed, zeros: Zeros,
        sparsity: Double, seed: UInt64
    ) {
        (self.M, self.N, self.K, self.product, self.orientation) = (M, N, K, product, orientation)
        self.seed = seed
        var random = SplitMix(seed: seed)
        let range = product == .u8s8 ? 0...255 : -127...127
        a = (0..<M * K).map { _ in Float(Int.random(in: range, using: &random)) }
        w = [Float](repeating: 0, count: N * K)
        let (columns, steps) = zeros == .elements ? (1, 1) : (16, product == .f32 ? 1 : product == .bf16 ? 2 : 4)
        for n in stride(from: 0, to: N, by: columns) {
            for k in stride(from: 0, to: K, by: steps) where Double.random(in: 0..<1, using: &random) >= sparsity {
                for i in n..<min(n + columns, N) {
                    for j in k..<min(k + steps, K) { w[i * K + j] = Self.nonzero(&random) }
                }
            }
        }
    }

    private static func nonzero(_ random: inout SplitMix) -> Float {
        Float(Int.random(in: 1...127, using: &random) * (Bool.random(using: &random) ? 1 : -1))
    }

    /// The same with these rows of the weights, outputs, all zero.
    func without(_ rows: some Sequence<Int>) -> SparseProductCase {
        var copy = self
        for n in rows where n < N { for k in 0..<K { copy.w[n * K + k] = 0 } }
        return copy
    }

    /// The same with numbers whose sums round. Of floats.
    var divided: SparseProductCase { SparseProductCase(self, a: a.map { $0 / 3 }, w: w.map { $0 / 7 }) }

    /// The same product with other numbers.
    init(_ other: SparseProductCase, a: [Float], w: [Float]) {
        (M, N, K, product, orientation) = (other.M, other.N, other.K, other.product, other.orientation)
        (seed, self.a, self.w) = (other.seed, a, w)
    }

    var description: String { "\(product) \(M)x\(N)x\(K) \(orientation) seed \(seed)" }
    /// Weights that are not zero.
    var count: Int { w.count { $0 != 0 } }
    private var stored: [Float] { orientation == .transposed ? w : turned(w, N, K) }

    func packed(
        _ form: PackedMatrix.Form, scales: [Float]? = nil, on context: Context
    ) throws -> PackedMatrix {
        func pack<Element: MatrixElement>(_ elements: [Element]) throws -> PackedMatrix {
            guard let scales else {
                return try PackedMatrix(
                    product, elements.span, N: N, K: K, orientation: orientation, form: form, on: context)
            }
            return try PackedMatrix(
                product, elements.span, N: N, K: K, orientation: orientation, scales: scales.span, form: form,
                on: context)
        }
        switch product {
        case .s8, .u8s8: return try pack(stored.map { Int8($0) })
        case .bf16: return try pack(stored.map(Self.bf16))
        case .f16: return try pack(stored.map { Float16($0).bitPattern })
        default: return try pack(stored)
        }
    }

    /// bf16 by cutting off.
    private static func bf16(_ x: Float) -> UInt16 { UInt16(x.bitPattern >> 16) }

    /// Rows of the product. Sums of integers are small enough to be whole numbers of f32.
    func run(_ b: PackedMatrix, rows: Range<Int>? = nil, on context: Context) throws -> [Float] {
        let rows = rows ?? 0..<M
        let part = Array(a[rows.lowerBound * K..<rows.upperBound * K])
        func multiply<A: MatrixElement, C: MatrixElement & GuardedElement>(_ a: [A], _: C.Type) throws -> [Float] {
            let c = GuardedOperand<C>(count: rows.count * N)
            try matmul(M: rows.count, a.span, b, into: c.mutableSpan, epilogue: Epilogue(), on: context)
            return c.values("\(self)")
        }
        switch product {
        case .s8: return try multiply(part.map { Int8($0) }, Int32.self)
        case .u8s8: return try multiply(part.map { UInt8($0) }, Int32.self)
        case .bf16: return try multiply(part.map(Self.bf16), Float.self)
        case .f16: return try multiply(part.map { Float16($0).bitPattern }, Float.self)
        default: return try multiply(part, Float.self)
        }
    }

    /// By the definition.
    var expected: [Double] {
        (0..<M * N).map { e in
            let (i, n) = (e / N * K, e % N * K)
            var sum = 0.0
            for k in 0..<K { sum += Double(a[i + k]) * Double(w[n + k]) }
            return sum
        }
    }
}

/// Runs a test on every set of instruction sets for which packed weights of a product may be read in another way: those of its
/// variants, alone and with what expands bit masks in registers.
func onEverySparseVariant(
    _ product: MatrixProduct, threads: [Int] = [1, 3],
    _ body: (_ label: String, _ context: Context) throws -> Void
) throws {
    var sets: [ISA] = []
    for variant in product.variants where variant.runsHere {
        for isa in [variant.needs, variant.needs.union(.avx512vbmi2)] where ISA.detected.isSuperset(of: isa) {
            if !sets.contains(isa) { sets.append(isa) }
        }
    }
    for isa in sets {
        for count in threads {
            try body("\(isa) x \(count) threads", Machine.local.context(threads: count, allowing: isa))
        }
    }
}
