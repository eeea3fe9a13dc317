import AlambicKernels
import COpenBLAS

// The shapes named in DESIGN: squares, and the products of GPT-2 124M for 1024 tokens.
private let productShapes = [
    BenchShape(1024, 1024, 1024), BenchShape(512, 512, 512), BenchShape(2048, 2048, 2048),
    BenchShape(1024, 768, 768), BenchShape(1024, 2304, 768), BenchShape(1024, 3072, 768), BenchShape(1024, 768, 3072),
]
private let decodeShapes = [
    BenchShape(1, 11008, 4096), BenchShape(8, 11008, 4096), BenchShape(1, 4096, 4096), BenchShape(16, 4096, 4096),
]

extension BenchCase {
    /// Products whose operands are both packed on the way, in the three layouts of training: `matmul` is A B, `matmul-nt`
    /// A Bᵀ (forward), `matmul-tn` Aᵀ B (the gradient of the weights).
    static let matmulLayouts: [BenchCase] = [
        ("matmul", Orientation.asIs, Orientation.asIs, "A[M,K] B[K,N]"),
        ("matmul-nt", .asIs, .transposed, "A[M,K] B[N,K]ᵀ"),
        ("matmul-tn", .transposed, .asIs, "A[K,M]ᵀ B[K,N]"),
    ].flatMap { name, a, b, text in
        [Product.f32, .bf16, .f16, .s8].map { product in
            BenchCase(
                name: name, dtype: "\(product)", summary: "C[M,N] = \(text), operands packed on the way",
                variants: product.variants, shapes: productShapes, isCold: false,
                prepare: { shape, context in try onTheFly(product, a, b, shape, context) },
                peer: product == .f32 ? openBLAS(a, b) : nil)
        }
    }

    /// C = A Bᵀ with B packed ahead, as a linear layer runs; A is packed inside the measurement.
    static let matmulPacked: [BenchCase] = Product.allCases.map { product in
        BenchCase(
            name: "matmul-packed", dtype: "\(product)", summary: "C[M,N] = A[M,K] B[N,K]ᵀ, B packed ahead",
            variants: product.variants, shapes: productShapes, isCold: false,
            prepare: { shape, context in
                let operands = MatmulOperands(product: product, shape: shape, context: context)
                let (b, multiply) = (try operands.packed(), try operands.multiplication())
                return Workload(
                    ops: operands.ops, bytes: operands.bytes(resultBytes: 4), peak: operands.peak, pattern: .read,
                    copies: 1
                ) { _ in try multiply(b) }
            }, accepts: product.accepts)
    }

    /// A linear layer with a real epilogue: scales and bias, and C converted to 16 bits (f32 stays f32).
    static let matmulLinear: [BenchCase] = [Product.f32, .bf16, .f16, .s8].map { product in
        BenchCase(
            name: "matmul-linear", dtype: "\(product)",
            summary: "B packed ahead; row scales, bias, C in bf16 or f16 (f32: in f32)",
            variants: product.variants, shapes: productShapes + [BenchShape(1024, 50257, 768)], isCold: false,
            prepare: { shape, context in try linear(product, shape, context, function: nil) })
    }

    /// The first half of a feed-forward block.
    static let matmulGELU: [BenchCase] = [Product.f32, .bf16, .f16, .s8].map { product in
        BenchCase(
            name: "matmul-gelu", dtype: "\(product)", summary: "the same with GELU (tanh) between bias and conversion",
            variants: product.variants, shapes: [BenchShape(1024, 3072, 768)], isCold: false,
            prepare: { shape, context in try linear(product, shape, context, function: .geluTanh) })
    }

    /// A dynamic int8 linear layer, everything included.
    static let matmulDynamic: [BenchCase] = [Product.s8, .s8s4g32, .s8s4g128].map { product in
        BenchCase(
            name: "matmul-dynamic", dtype: "\(product)",
            summary: "f32 rows quantized per row, integer product, dequantized f32 out; B packed ahead",
            variants: product.variants, shapes: productShapes, isCold: false,
            prepare: { shape, context in
                let operands = MatmulOperands(product: product, shape: shape, context: context)
                let (b, multiply) = (try operands.packed(), try operands.multiplication(converts: true))
                return Workload(
                    ops: operands.ops, bytes: operands.bytes(resultBytes: 4, leftBytes: 4), peak: operands.peak,
                    pattern: .read, copies: 1
                ) { _ in try multiply(b) }
            }, accepts: product.accepts)
    }

    /// Few tokens through a layer whose weights come from memory.
    static let matmulDecode: [BenchCase] = Product.allCases.map { product in
        BenchCase(
            name: "matmul-decode", dtype: "\(product)", summary: "few rows, packed weights from memory",
            variants: product.variants, shapes: decodeShapes, isCold: true,
            prepare: { shape, context in
                let operands = MatmulOperands(product: product, shape: shape, context: context)
                let copies = context.machine.coldCopies(ofBytes: Int(operands.weightBytes))
                let weights = try (0..<copies).map { _ in try operands.packed() }
                // 4-bit weights meet activations as models have them, as in the peers.
                let multiply = try operands.multiplication(converts: product.hasFourBitWeights)
                return Workload(
                    ops: operands.ops, bytes: operands.bytes(resultBytes: 4), peak: operands.peak, pattern: .read,
                    copies: copies
                ) { copy in try multiply(weights[copy]) }
            }, accepts: product.accepts)
    }
}

extension Product {
    /// 4-bit weights come in whole groups.
    var accepts: @Sendable (BenchShape) -> Bool { { shape in shape[2].isMultiple(of: group) } }
}

extension MatmulOperands {
    /// What must move at least.
    func bytes(resultBytes: Double, leftBytes: Double? = nil) -> Double {
        weightBytes + (leftBytes ?? self.leftBytes) * Double(M * K) + resultBytes * Double(M * N)
    }
}

private func onTheFly(
    _ product: Product, _ a: Orientation, _ b: Orientation, _ shape: BenchShape, _ context: Context
) throws -> Workload {
    let operands = MatmulOperands(product: product, shape: shape, context: context)
    let (m, n, k) = (shape[0], shape[1], shape[2])
    let run: () throws -> Void
    switch product {
    case .s8:
        let left = try randomBytes(m * k), right = try randomBytes(k * n), c = try Memory<Int32>(count: m * n)
        run = {
            try matmul(
                product, M: m, N: n, K: k, left.span, a, right.span, b, into: c.mutableSpan, epilogue: Epilogue(),
                on: context)
        }
    case .bf16, .f16:
        let format: HalfFormat = product == .f16 ? .f16 : .bf16
        let left = try halves(m * k, format), right = try halves(k * n, format), c = try Memory<Float>(count: m * n)
        run = {
            try matmul(
                product, M: m, N: n, K: k, left.span, a, right.span, b, into: c.mutableSpan, epilogue: Epilogue(),
                on: context)
        }
    default:
        let left = try ramp(m * k), right = try ramp(k * n), c = try Memory<Float>(count: m * n)
        run = { try matmul(M: m, N: n, K: k, left.span, a, right.span, b, into: c.mutableSpan, on: context) }
    }
    return Workload(
        ops: operands.ops, bytes: operands.bytes(resultBytes: 4), peak: operands.peak, pattern: .read, copies: 1
    ) { _ in try run() }
}

private func linear(
    _ product: Product, _ shape: BenchShape, _ context: Context, function: Epilogue.Function?
) throws -> Workload {
    let operands = MatmulOperands(product: product, shape: shape, context: context)
    let (m, n, k) = (shape[0], shape[1], shape[2])
    let b = try operands.packed(), bias = try ramp(n)
    let scales = try ramp(m)
    func runs<A: MatrixElement, C: MatrixElement>(
        _ a: Memory<A>, _ c: Memory<C>, _ format: HalfFormat = .bf16
    ) -> () throws -> Void {
        {
            let epilogue = Epilogue().bias(bias.span).rowScales(scales.span)
            if let function {
                try matmul(
                    M: m, a.span, b, into: c.mutableSpan, as: format, epilogue: epilogue.function(function),
                    on: context)
            } else {
                try matmul(M: m, a.span, b, into: c.mutableSpan, as: format, epilogue: epilogue, on: context)
            }
        }
    }
    let run: () throws -> Void
    switch product {
    case .f32: run = runs(try ramp(m * k), try Memory<Float>(count: m * n))
    case .s8: run = runs(try randomBytes(m * k), try Memory<UInt16>(count: m * n))
    default:
        let format: HalfFormat = product == .f16 ? .f16 : .bf16
        run = runs(try halves(m * k, format), try Memory<UInt16>(count: m * n), format)
    }
    return Workload(
        ops: operands.ops, bytes: operands.bytes(resultBytes: product == .f32 ? 4 : 2), peak: operands.peak,
        pattern: .read, copies: 1
    ) { _ in try run() }
}

private func openBLAS(_ a: Orientation, _ b: Orientation) -> BenchCase.Peer {
    .init(name: "openblas") { shape, threads in
        let (m, n, k) = (shape[0], shape[1], shape[2])
        let left = try ramp(m * k), right = try ramp(k * n), c = try Memory<Float>(count: m * n)
        return Workload(
            ops: product(shape), bytes: 4 * Double(m * k + k * n + m * n), peak: .f32, pattern: .read, copies: 1
        ) { _ in
            multiplyWithOpenBLAS(left, a, right, b, c, m, n, k, threads: threads)
        }
    }
}

/// C = A B through OpenBLAS, on the given number of threads.
private func multiplyWithOpenBLAS(
    _ a: Memory<Float>, _ orientationA: Orientation, _ b: Memory<Float>, _ orientationB: Orientation,
    _ c: Memory<Float>, _ m: Int, _ n: Int, _ k: Int, threads: Int
) {
    openblas_set_num_threads(Int32(threads))
    var output = c.mutableSpan
    let pointers = (
        a.span.withUnsafeBufferPointer { $0.baseAddress }, b.span.withUnsafeBufferPointer { $0.baseAddress },
        output.withUnsafeMutableBufferPointer { $0.baseAddress }
    )
    func flag(_ orientation: Orientation) -> Int32 {
        Int32(orientation == .asIs ? ALAMBIC_CBLAS_NO_TRANS : ALAMBIC_CBLAS_TRANS)
    }
    cblas_sgemm(
        Int32(ALAMBIC_CBLAS_ROW_MAJOR), flag(orientationA), flag(orientationB), Int32(m), Int32(n), Int32(k), 1,
        pointers.0, Int32(orientationA == .asIs ? k : m), pointers.1, Int32(orientationB == .asIs ? n : k), 0,
        pointers.2, Int32(n))
}

/// Multiplications plus additions of an M x N x K product.
func product(_ shape: BenchShape) -> Double { 2 * Double(shape[0]) * Double(shape[1]) * Double(shape[2]) }
