// swift-format-ignore-file: AlwaysUseLowerCamelCase
// M, N and K are the names that the field uses.

import AlambicKernels

/// What a product's benchmark multiplies: operands of the product's types, random over their whole range.
struct MatmulOperands {
    let product: Product
    let shape: BenchShape
    let context: Context

    var M: Int { shape[0] }
    var N: Int { shape[1] }
    var K: Int { shape[2] }
    /// Multiplications plus additions.
    var ops: Double { 2 * Double(M) * Double(N) * Double(K) }

    /// The arithmetic that bounds the product, whatever a variant makes of it.
    var peak: PeakType {
        switch product {
        case .f32, .f16, .f32s8: .f32
        case .bf16, .bf16s8, .bf16s4g32, .bf16s4g128, .bf16u4g32, .bf16u4g128: .bf16
        case .s8, .u8s8, .s8s4g32, .s8s4g128, .s8u4g32, .s8u4g128: .s8
        }
    }

    /// Bytes of B as it must be stored: 4-bit weights with their f16 scales and their zero points of a byte.
    var weightBytes: Double {
        let count = Double(N) * Double(K)
        return switch product {
        case .f32: 4 * count
        case .bf16, .f16: 2 * count
        case .s8, .u8s8, .f32s8, .bf16s8: count
        default: count / 2 + (product.hasZeroPoints ? 3 : 2) * count / Double(product.group)
        }
    }

    /// Bytes of an element of A as the product takes it.
    var leftBytes: Double {
        switch product {
        case .f32, .f32s8: 4
        case .s8, .u8s8, .s8s4g32, .s8s4g128, .s8u4g32, .s8u4g128: 1
        default: 2
        }
    }

    /// B packed ahead.
    func packed() throws -> PackedMatrix {
        let count = N * K
        switch product {
        case .f32:
            let b = try ramp(count)
            return try PackedMatrix(product, b.span, N: N, K: K, on: context)
        case .bf16, .f16:
            let b = try halves(count, product == .f16 ? .f16 : .bf16)
            return try PackedMatrix(product, b.span, N: N, K: K, on: context)
        case .s8, .u8s8, .f32s8, .bf16s8:
            let b = try randomBytes(count)
            let scales = try ramp(N)
            return try PackedMatrix(product, b.span, N: N, K: K, scales: scales.span, on: context)
        default:
            let nibbles = try unsignedBytes(count / 2)
            let scales = try halves(count / product.group, .f16)
            guard product.hasZeroPoints else {
                return try PackedMatrix(product, nibbles: nibbles.span, scales: scales.span, N: N, K: K, on: context)
            }
            let points = try unsignedBytes(count / product.group, below: 16)
            return try PackedMatrix(
                product, nibbles: nibbles.span, scales: scales.span, zeroPoints: points.span, N: N, K: K, on: context)
        }
    }

    /// A closure that multiplies A, of the product's own type or of f32 that is converted on the way, with packed weights.
    ///
    /// - Parameter converts: f32 is converted; C is f32.
    func multiplication(converts: Bool = false) throws -> (PackedMatrix) throws -> Void {
        let context = context
        let m = M
        let floats = try Memory<Float>(count: M * N)
        if converts || leftBytes == 4 {
            let a = try ramp(M * K)
            return { try matmul(M: m, a.span, $0, into: floats.mutableSpan, epilogue: Epilogue(), on: context) }
        }
        switch product {
        case .s8:
            let a = try randomBytes(M * K)
            let integers = try Memory<Int32>(count: M * N)
            return { try matmul(M: m, a.span, $0, into: integers.mutableSpan, epilogue: Epilogue(), on: context) }
        case .u8s8:
            let a = try unsignedBytes(M * K)
            let integers = try Memory<Int32>(count: M * N)
            return { try matmul(M: m, a.span, $0, into: integers.mutableSpan, epilogue: Epilogue(), on: context) }
        case .s8s4g32, .s8s4g128, .s8u4g32, .s8u4g128:
            let a = try randomBytes(M * K)
            let scales = try ramp(M)
            return {
                try matmul(
                    M: m, a.span, $0, into: floats.mutableSpan, epilogue: Epilogue().rowScales(scales.span), on: context
                )
            }
        default:
            let a = try halves(M * K, product == .f16 ? .f16 : .bf16)
            return { try matmul(M: m, a.span, $0, into: floats.mutableSpan, epilogue: Epilogue(), on: context) }
        }
    }
}

/// Random values between 0 and 1.
func ramp(_ count: Int) throws -> Memory<Float> {
    let memory = try Memory<Float>(count: count)
    try uniform(seed: 7, stream: 1, into: memory.mutableSpan, on: .default)
    return memory
}

/// The same as 16-bit floats.
func halves(_ count: Int, _ format: HalfFormat) throws -> Memory<UInt16> {
    let numbers = try ramp(count)
    let memory = try Memory<UInt16>(count: count)
    try convert(numbers.span, to: format, into: memory.mutableSpan, on: .default)
    return memory
}

/// Random bytes over the whole range.
func randomBytes(_ count: Int) throws -> Memory<Int8> {
    let bytes = try Memory<Int8>(count: count)
    var span = bytes.mutableSpan
    var state: UInt64 = 7
    for i in 0..<count { span[i] = Int8(truncatingIfNeeded: next(&state)) }
    return bytes
}

/// Random bytes from 0 up to a limit.
func unsignedBytes(_ count: Int, below limit: UInt64 = 256) throws -> Memory<UInt8> {
    let bytes = try Memory<UInt8>(count: count)
    var span = bytes.mutableSpan
    var state: UInt64 = 11
    for i in 0..<count { span[i] = UInt8(truncatingIfNeeded: next(&state) % limit) }
    return bytes
}

/// A linear congruential generator (Knuth's MMIX constants), of which the high bits are used.
private func next(_ state: inout UInt64) -> UInt64 {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return state >> 33
}
