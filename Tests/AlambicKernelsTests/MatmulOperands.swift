// swift-format-ignore-file: AlwaysUseLowerCamelCase
// M, N and K are the names that the field uses.

import AlambicKernels
import AlambicTestSupport

typealias MatrixProduct = AlambicKernels.Product

/// Operands of any product, drawn from a seed: as they are in memory, and as the numbers that they stand for.
struct MatmulOperands: CustomStringConvertible {
    /// What the elements are drawn from.
    enum Filling: CaseIterable {
        /// Fractions with few bits, so that every sum of up to a thousand products is exact in f32.
        case exact
        /// Numbers that need rounding.
        case random
        /// The extremes of the element types.
        case extreme
    }

    let product: MatrixProduct
    let M: Int, N: Int, K: Int
    let orientationA: Orientation, orientationB: Orientation
    let filling: Filling
    let seed: UInt64
    /// The numbers, `[M, K]` and `[N, K]` whatever the orientations.
    let a: [Double], b: [Double]
    // In memory; which one depends on the product.
    let floatsA: [Float], halvesA: [UInt16], signedA: [Int8], unsignedA: [UInt8]
    let floatsB: [Float], halvesB: [UInt16], signedB: [Int8]
    let nibbles: [UInt8], groupScales: [UInt16], zeroPoints: [UInt8]

    init(
        _ product: MatrixProduct, M: Int, N: Int, K: Int, _ orientationA: Orientation = .asIs,
        _ orientationB: Orientation = .transposed, _ filling: Filling = .random, seed: UInt64
    ) {
        (self.product, self.M, self.N, self.K, self.filling, self.seed) = (product, M, N, K, filling, seed)
        (self.orientationA, self.orientationB) = (orientationA, orientationB)
        var generator = SplitMix(seed: seed)
        func real() -> Double {
            switch filling {
            case .exact, .extreme: Double(Int.random(in: -31...31, using: &generator)) / 8
            case .random: Double(Float.random(in: -1...1, using: &generator))
            }
        }
        func byte(_ range: ClosedRange<Int>) -> Int {
            switch filling {
            case .extreme: Bool.random(using: &generator) ? range.lowerBound : range.upperBound
            case .exact, .random: Int.random(in: range, using: &generator)
            }
        }
        func rounded(_ x: Double, _ isF16: Bool) -> (UInt16, Double) {
            if isF16 {
                let half = Float16(x)
                return (half.bitPattern, Double(half))
            }
            // bf16 by cutting off: whatever the product does with its operands, it must not round them again.
            let bits = UInt16(Float(x).bitPattern >> 16)
            return (bits, Double(Float(bitPattern: UInt32(bits) << 16)))
        }
        var (numbersA, numbersB) = ([Double](), [Double]())
        var (fA, hA, sA, uA, fB, hB, sB) = ([Float](), [UInt16](), [Int8](), [UInt8](), [Float](), [UInt16](), [Int8]())
        for _ in 0..<M * K {
            switch product {
            case .f32, .f32s8: fA.append(Float(real())); numbersA.append(Double(fA[fA.count - 1]))
            case .s8, .s8s4g32, .s8s4g128, .s8u4g32, .s8u4g128:
                sA.append(Int8(byte(-128...127))); numbersA.append(Double(sA[sA.count - 1]))
            case .u8s8: uA.append(UInt8(byte(0...255))); numbersA.append(Double(uA[uA.count - 1]))
            default:
                let (bits, number) = rounded(real(), product == .f16)
                hA.append(bits); numbersA.append(number)
            }
        }
        let groups = K / product.group
        var scales = [UInt16](), points = [UInt8](), packed = [UInt8](repeating: 0, count: N * K / 2)
        if product.hasFourBitWeights {
            for _ in 0..<N * groups {
                scales.append(Float16(Float.random(in: 0.001...0.1, using: &generator)).bitPattern)
                points.append(UInt8(product.hasZeroPoints ? byte(0...15) : 8))
            }
        }
        for i in 0..<N * K {
            switch product {
            case .f32: fB.append(Float(real())); numbersB.append(Double(fB[fB.count - 1]))
            case .s8, .u8s8, .f32s8, .bf16s8:
                sB.append(Int8(byte(-128...127))); numbersB.append(Double(sB[sB.count - 1]))
            case .bf16, .f16:
                let (bits, number) = rounded(real(), product == .f16)
                hB.append(bits); numbersB.append(number)
            default:
                let q = byte(0...15), group = i / K * groups + i % K / product.group
                packed[i / 2] |= UInt8(q << (i % 2 * 4))
                numbersB.append((Double(q) - Double(points[group])) * Double(Float16(bitPattern: scales[group])))
            }
        }
        (a, b) = (numbersA, numbersB)
        let (turnA, turnB) = (orientationA == .transposed, orientationB == .asIs)
        floatsA = turnA ? turned(fA, M, K) : fA
        halvesA = turnA ? turned(hA, M, K) : hA
        signedA = turnA ? turned(sA, M, K) : sA
        unsignedA = turnA ? turned(uA, M, K) : uA
        floatsB = turnB ? turned(fB, N, K) : fB
        halvesB = turnB ? turned(hB, N, K) : hB
        signedB = turnB ? turned(sB, N, K) : sB
        (nibbles, groupScales, zeroPoints) = (packed, scales, product.hasZeroPoints ? points : [])
    }

    var description: String { "\(product) \(M)x\(N)x\(K) \(orientationA) \(orientationB) \(filling) seed \(seed)" }

    /// Whether sums leave as 32-bit integers.
    var isInteger: Bool { product == .s8 || product == .u8s8 }

    func pack(on context: Context, at location: PackedMatrix.Location = .partitioned) throws -> PackedMatrix {
        switch product {
        case .f32:
            try PackedMatrix(
                product, floatsB.span, N: N, K: K, orientation: orientationB, location: location, on: context)
        case .bf16, .f16:
            try PackedMatrix(
                product, halvesB.span, N: N, K: K, orientation: orientationB, location: location, on: context)
        case .s8, .u8s8, .f32s8, .bf16s8:
            try PackedMatrix(
                product, signedB.span, N: N, K: K, orientation: orientationB, location: location, on: context)
        default:
            if product.hasZeroPoints {
                try PackedMatrix(
                    product, nibbles: nibbles.span, scales: groupScales.span, zeroPoints: zeroPoints.span, N: N, K: K,
                    location: location, on: context)
            } else {
                try PackedMatrix(
                    product, nibbles: nibbles.span, scales: groupScales.span, N: N, K: K, location: location,
                    on: context)
            }
        }
    }

    /// Rows of the product with B packed ahead; nil when something was written outside C. Integers come as f32 of the
    /// same bits.
    func run(on context: Context, _ packed: PackedMatrix, rows: Range<Int>? = nil) throws -> [Float]? {
        let rows = rows ?? 0..<M
        return try into(rows.count) { integers, floats, output, whole in
            func go<A: MatrixElement>(_ elements: [A]) throws {
                let part =
                    orientationA == .asIs ? Array(elements[rows.lowerBound * K..<rows.upperBound * K]) : elements
                if isInteger {
                    try matmul(
                        M: rows.count, part.span, orientationA, packed, into: integers.mutableSpan(output),
                        epilogue: Epilogue(), on: context)
                } else {
                    try matmul(
                        M: rows.count, part.span, orientationA, packed, into: floats.mutableSpan(output),
                        epilogue: Epilogue(), on: context)
                }
            }
            try withA(go, halves: go, signed: go, unsigned: go)
        }
    }

    /// The whole product with B as it is.
    func runUnpacked(on context: Context) throws -> [Float]? {
        try into(M) { integers, floats, output, whole in
            func go<A: MatrixElement, B: MatrixElement>(_ a: [A], _ b: [B]) throws {
                if isInteger {
                    try matmul(
                        product, M: M, N: N, K: K, a.span, orientationA, b.span, orientationB,
                        into: integers.mutableSpan(output), epilogue: Epilogue(), on: context)
                } else {
                    try matmul(
                        product, M: M, N: N, K: K, a.span, orientationA, b.span, orientationB,
                        into: floats.mutableSpan(output), epilogue: Epilogue(), on: context)
                }
            }
            switch product {
            case .f32: try go(floatsA, floatsB)
            case .bf16, .f16: try go(halvesA, halvesB)
            case .s8: try go(signedA, signedB)
            case .u8s8: try go(unsignedA, signedB)
            case .f32s8: try go(floatsA, signedB)
            case .bf16s8: try go(halvesA, signedB)
            default: break
            }
        }
    }

    private func withA(
        _ floats: ([Float]) throws -> Void, halves: ([UInt16]) throws -> Void, signed: ([Int8]) throws -> Void,
        unsigned: ([UInt8]) throws -> Void
    ) throws {
        switch product {
        case .f32, .f32s8: try floats(floatsA)
        case .s8, .s8s4g32, .s8s4g128, .s8u4g32, .s8u4g128: try signed(signedA)
        case .u8s8: try unsigned(unsignedA)
        default: try halves(halvesA)
        }
    }

    private func into(
        _ rows: Int, _ run: (Memory<Int32>, Memory<Float>, Range<Int>, Int) throws -> Void
    ) throws -> [Float]? {
        let margin = 65, count = rows * N, poison: Int32 = 0x7fa5_1234
        let output = margin..<margin + count
        let integers = try Memory<Int32>(count: count + 2 * margin),
            floats = try Memory<Float>(count: count + 2 * margin)
        var i = integers.mutableSpan
        var f = floats.mutableSpan
        for x in 0..<i.count { i[x] = poison; f[x] = Float(bitPattern: UInt32(bitPattern: poison)) }
        try run(integers, floats, output, count + 2 * margin)
        let si = integers.span
        let sf = floats.span
        func bits(_ x: Int) -> UInt32 { isInteger ? UInt32(bitPattern: si[x]) : sf[x].bitPattern }
        for x in 0..<margin where bits(x) != UInt32(poison) || bits(count + 2 * margin - 1 - x) != UInt32(poison) {
            return nil
        }
        return output.map { Float(bitPattern: bits($0)) }
    }

    /// The worst element outside its tolerance, or nil. Integer sums must be equal, and so must sums that are exact in f32.
    ///
    /// Otherwise a chain of K multiply-adds is within (K + 4) u |A||B|, u = 2^-24, where the multiply may round too; 4-bit
    /// weights add one rounding a group; vdpbf16ps takes numbers below 2^-126 for zero.
    func excess(_ actual: [Float]) -> String? {
        var sums = [Double](repeating: 0, count: M * N), sizes = sums
        for i in 0..<M {
            for j in 0..<N {
                var (sum, size) = (0.0, 0.0)
                for k in 0..<K {
                    let term = a[i * K + k] * b[j * K + k]
                    sum += term
                    size += abs(term)
                }
                (sums[i * N + j], sizes[i * N + j]) = (sum, size)
            }
        }
        if isInteger {
            for i in sums.indices where Double(Int32(bitPattern: actual[i].bitPattern)) != sums[i] {
                return "[\(i)] \(Int32(bitPattern: actual[i].bitPattern)), expected \(sums[i])"
            }
            return nil
        }
        let isExact = filling == .exact && K <= 1000 && !product.hasFourBitWeights
        return worstExcess(actual, expected: sums) {
            isExact ? 0 : 2 * Double(K + 4) * 0x1p-24 * sizes[$0] + 0x1p-120
        }
    }
}

/// Columns become rows.
func turned<Element>(_ x: [Element], _ rows: Int, _ columns: Int) -> [Element] {
    guard x.count == rows * columns else { return x }
    return (0..<columns).flatMap { k in (0..<rows).map { x[$0 * columns + k] } }
}
