import AlambicKernels
import COpenBLAS

extension BenchCase {
    private static let productShapes = [
        BenchShape(1024, 1024, 1024), BenchShape(512, 512, 512), BenchShape(2048, 2048, 2048),
        BenchShape(1024, 768, 768), BenchShape(1024, 3072, 768), BenchShape(1024, 768, 3072),
        BenchShape(4096, 384, 128), BenchShape(4096, 128, 512),
    ]

    /// C = A B in f32, both operands packed on the way.
    static let matmulF32 = BenchCase(
        name: "matmul", dtype: "f32", summary: "C[M,N] = A[M,K] B[K,N], operands packed on the way",
        variants: Kernels.matmulF32, shapes: productShapes, isCold: false,
        prepare: { shape, context in
            let (m, n, k) = (shape[0], shape[1], shape[2])
            let a = try ramp(m * k), b = try ramp(k * n), c = try Memory<Float>(count: m * n)
            return Workload(
                ops: product(shape), bytes: 4 * Double(m * k + k * n + m * n), peak: .f32, pattern: .read, copies: 1
            ) { _ in
                try matmul(M: m, N: n, K: k, a.span, .asIs, b.span, .asIs, into: c.mutableSpan, on: context)
            }
        },
        peer: .init(name: "openblas") { shape, threads in
            let (m, n, k) = (shape[0], shape[1], shape[2])
            let a = try ramp(m * k), b = try ramp(k * n), c = try Memory<Float>(count: m * n)
            return Workload(
                ops: product(shape), bytes: 4 * Double(m * k + k * n + m * n), peak: .f32, pattern: .read, copies: 1
            ) { _ in
                multiplyWithOpenBLAS(a, b, c, m, n, k, threads: threads)
            }
        })

    /// C = A Bᵀ with B packed ahead, as a linear layer of a deployed model runs.
    static let matmulPackedF32 = BenchCase(
        name: "matmul-packed", dtype: "f32", summary: "C[M,N] = A[M,K] B[N,K]ᵀ, B packed ahead",
        variants: Kernels.matmulF32, shapes: productShapes, isCold: false,
        prepare: { shape, context in
            let (m, n, k) = (shape[0], shape[1], shape[2])
            let a = try ramp(m * k), c = try Memory<Float>(count: m * n)
            let source = try ramp(n * k)
            let b = try PackedMatrix(f32: source.span, N: n, K: k, on: context)
            return Workload(
                ops: product(shape), bytes: 4 * Double(m * k + k * n + m * n), peak: .f32, pattern: .read, copies: 1
            ) { _ in try matmul(M: m, a.span, b, into: c.mutableSpan, on: context) }
        })

    /// int8 x int8 into exact 32-bit integers, B packed ahead.
    static let matmulS8 = BenchCase(
        name: "matmul", dtype: "s8", summary: "s32 C[M,N] = s8 A[M,K] s8 B[N,K]ᵀ, exact, B packed ahead",
        variants: Kernels.matmulS8, shapes: productShapes, isCold: false,
        prepare: { shape, context in
            let (m, n, k) = (shape[0], shape[1], shape[2])
            let a = try randomBytes(m * k), c = try Memory<Int32>(count: m * n)
            let b = try packedS8(n, k, context)
            return Workload(
                ops: product(shape), bytes: Double(m * k + k * n + 4 * m * n), peak: .s8, pattern: .read, copies: 1
            ) { _ in try matmul(M: m, a.span, b, into: c.mutableSpan, on: context) }
        })

    /// A dynamic int8 linear layer: f32 in, rows quantized, product, f32 out.
    static let linearS8 = BenchCase(
        name: "matmul-dynamic", dtype: "s8", summary: "f32 rows quantized per row, int8 product, dequantized f32 out",
        variants: Kernels.matmulS8, shapes: productShapes, isCold: false,
        prepare: { shape, context in
            let (m, n, k) = (shape[0], shape[1], shape[2])
            let x = try ramp(m * k), q = try Memory<Int8>(count: m * k), scales = try Memory<Float>(count: m)
            let c = try Memory<Float>(count: m * n)
            let b = try packedS8(n, k, context)
            return Workload(
                ops: product(shape), bytes: Double(4 * m * k + k * n + 4 * m * n), peak: .s8, pattern: .read, copies: 1
            ) { _ in
                try quantizeRows(
                    x.span, rows: m, columns: k, into: q.mutableSpan, scales: scales.mutableSpan, on: context)
                try matmul(M: m, q.span, rowScales: scales.span, b, into: c.mutableSpan, on: context)
            }
        })

    /// One token through a layer whose weights come from memory.
    static let decodeF32 = BenchCase(
        name: "matmul-decode", dtype: "f32", summary: "M = 1, packed weights from memory", variants: Kernels.matmulF32,
        shapes: [BenchShape(1, 4096, 4096), BenchShape(1, 11008, 4096)], isCold: true,
        prepare: { shape, context in
            let (m, n, k) = (shape[0], shape[1], shape[2])
            let a = try ramp(m * k), c = try Memory<Float>(count: m * n)
            let source = try ramp(n * k)
            let copies = context.machine.coldCopies(ofBytes: n * k * 4)
            let weights = try (0..<copies).map { _ in try PackedMatrix(f32: source.span, N: n, K: k, on: context) }
            return Workload(
                ops: product(shape), bytes: 4 * Double(m * k + k * n + m * n), peak: .f32, pattern: .read,
                copies: copies
            ) { copy in try matmul(M: m, a.span, weights[copy], into: c.mutableSpan, on: context) }
        })

    /// The same in int8.
    static let decodeS8 = BenchCase(
        name: "matmul-decode", dtype: "s8", summary: "M = 1, packed int8 weights from memory",
        variants: Kernels.matmulS8, shapes: [BenchShape(1, 4096, 4096), BenchShape(1, 11008, 4096)], isCold: true,
        prepare: { shape, context in
            let (m, n, k) = (shape[0], shape[1], shape[2])
            let a = try randomBytes(m * k), c = try Memory<Float>(count: m * n)
            let scales = try ramp(m)
            let copies = context.machine.coldCopies(ofBytes: n * k)
            let weights = try (0..<copies).map { _ in try packedS8(n, k, context) }
            return Workload(
                ops: product(shape), bytes: Double(m * k + k * n + 4 * m * n), peak: .s8, pattern: .read, copies: copies
            ) { copy in
                try matmul(M: m, a.span, rowScales: scales.span, weights[copy], into: c.mutableSpan, on: context)
            }
        })
}

/// C = A B through OpenBLAS, on the given number of threads.
private func multiplyWithOpenBLAS(
    _ a: Memory<Float>, _ b: Memory<Float>, _ c: Memory<Float>, _ m: Int, _ n: Int, _ k: Int, threads: Int
) {
    openblas_set_num_threads(Int32(threads))
    var output = c.mutableSpan
    let pointers = (
        a.span.withUnsafeBufferPointer { $0.baseAddress }, b.span.withUnsafeBufferPointer { $0.baseAddress },
        output.withUnsafeMutableBufferPointer { $0.baseAddress }
    )
    cblas_sgemm(
        Int32(ALAMBIC_CBLAS_ROW_MAJOR), Int32(ALAMBIC_CBLAS_NO_TRANS), Int32(ALAMBIC_CBLAS_NO_TRANS), Int32(m),
        Int32(n),
        Int32(k), 1, pointers.0, Int32(k), pointers.1, Int32(n), 0, pointers.2, Int32(n))
}

/// Multiplications plus additions of an M x N x K product.
func product(_ shape: BenchShape) -> Double { 2 * Double(shape[0]) * Double(shape[1]) * Double(shape[2]) }

/// Random values between 0 and 1: a kernel makes them, since loops in debug builds are slow.
func ramp(_ count: Int) throws -> Memory<Float> {
    let memory = try Memory<Float>(count: count)
    try uniform(seed: 7, stream: 1, into: memory.mutableSpan, on: .default)
    return memory
}

/// Random bytes over the whole range.
func randomBytes(_ count: Int) throws -> Memory<Int8> {
    let numbers = try Memory<Float>(count: count)
    try normal(seed: 7, stream: 2, into: numbers.mutableSpan, on: .default)
    let bytes = try Memory<Int8>(count: count)
    let scale = try Memory<Float>(count: 1)
    try quantizeRows(
        numbers.span, rows: 1, columns: count, into: bytes.mutableSpan, scales: scale.mutableSpan, on: .default)
    return bytes
}

func packedS8(_ n: Int, _ k: Int, _ context: Context) throws -> PackedMatrix {
    let values = try randomBytes(n * k)
    let scales = try ramp(n)
    return try PackedMatrix(s8: values.span, N: n, K: k, scales: scales.span, on: context)
}
