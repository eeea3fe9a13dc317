// swift-format-ignore-file: AlwaysUseLowerCamelCase
// M, N and K are the names that the field uses.

import CKernels

/// How an operand of a product is stored, row-major in both cases.
public enum Orientation: Sendable, Hashable {
    /// A as `[M, K]`, B as `[K, N]`.
    case asIs
    /// A as `[K, M]`, B as `[N, K]`, which is the layout of a linear layer's weights, `[outputs, inputs]`.
    case transposed

    var value: ck_orientation { self == .asIs ? CK_AS_IS : CK_TRANSPOSED }
}

/// What becomes of the values that an output already holds.
public enum Store: Sendable, Hashable {
    /// They are overwritten, and never read.
    case replace
    /// The result is added to them.
    case accumulate

    var value: ck_store { self == .replace ? CK_REPLACE : CK_ACCUMULATE }
}

extension Kernels {
    /// The f32 matrix products of this build, best first.
    public static var matmulF32: [Variant] { Product.f32.variants }
    /// The int8 matrix products of this build, best first.
    public static var matmulS8: [Variant] { Product.s8.variants }
}

/// `C[i, j] = epilogue(start + Σ A[i, k] B[k, j])` for i < M, j < N, k < K, with a matrix packed ahead.
///
/// Row i of the result depends on row i of A and on B alone, bit for bit: not on M, nor on the number of threads.
///
/// - Parameters:
///   - a: M x K elements of the product's type for A, or f32, which is converted on the way: rounded to bf16 or f16, or
///     quantized row by row to int8 as ``quantizeRows(_:rows:columns:into:scales:on:)`` does (as is, `[M, K]`, only), in
///     which case the scales multiply the result.
///   - orientationA: how a is stored.
///   - b: the packed matrix, which decides the product.
///   - c: `[M, N]`: f32, 16-bit floats or int8; `Int32` for the exact sums of int8 products. Column scales that b was packed
///     with multiply the result unless the epilogue has its own.
///   - format: what `UInt16` elements of c stand for; nil for the product's own, which is bf16 unless it is `.f16`.
///   - store: accumulating needs a C of f32 and sums of f32.
/// - Throws: `.noKernel` when the context does not allow the instruction set that b is packed for; `.badArgument` for an
///   epilogue that C's type does not allow; `.noMemory`.
public func matmul<A: MatrixElement, C: MatrixElement>(
    M: Int, _ a: Span<A>, _ orientationA: Orientation, _ b: PackedMatrix, into c: consuming MutableSpan<C>,
    as format: HalfFormat? = nil, store: Store = .replace, epilogue: borrowing Epilogue, on context: Context
) throws(KernelError) {
    let (N, K, product) = (b.N, b.K, b.product)
    precondition(
        holds(a.count, M, K) && holds(c.count, M, N),
        "matmul of \(M)x\(K) by packed \(K)x\(N): A has \(a.count) elements, C \(c.count)")
    precondition(product.takes(left: A.self), "a product of \(A.self) with a matrix packed for \(product)")
    context.keep(b)
    let halves = format ?? product.halves
    let status = withUnsafePointer(to: epilogue.raw(M: M, N: N, halves: halves)) { raw in
        ck_matmul_packed(
            context.handle, M, left(a, orientationA, product), b.handle,
            result(UnsafeMutableRawPointer(c.base), C.type(halves: halves), store, raw))
    }
    try check(status, "matmul of \(M)x\(K) by packed \(K)x\(N) \(product)")
}

/// The same with A as is, `[M, K]`.
public func matmul<A: MatrixElement, C: MatrixElement>(
    M: Int, _ a: Span<A>, _ b: PackedMatrix, into c: consuming MutableSpan<C>, as format: HalfFormat? = nil,
    store: Store = .replace, epilogue: borrowing Epilogue, on context: Context
) throws(KernelError) {
    try matmul(M: M, a, .asIs, b, into: c, as: format, store: store, epilogue: epilogue, on: context)
}

/// The same with B in memory, `[K, N]` or `[N, K]`, of the product's type for B, or f32 that is rounded on the way
/// where that is bf16 or f16; 4-bit weights are packed ahead.
public func matmul<A: MatrixElement, B: MatrixElement, C: MatrixElement>(
    _ product: Product, M: Int, N: Int, K: Int, _ a: Span<A>, _ orientationA: Orientation, _ b: Span<B>,
    _ orientationB: Orientation, into c: consuming MutableSpan<C>, as format: HalfFormat? = nil,
    store: Store = .replace, epilogue: borrowing Epilogue, on context: Context
) throws(KernelError) {
    precondition(
        holds(a.count, M, K) && holds(b.count, K, N) && holds(c.count, M, N),
        "matmul of \(M)x\(K) by \(K)x\(N): A has \(a.count) elements, B \(b.count), C \(c.count)")
    precondition(
        product.takes(left: A.self) && product.takes(right: B.self), "a \(product) product of \(A.self) and \(B.self)")
    let right = ck_right(
        data: UnsafeRawPointer(b.base), type: B.type(halves: product.halves).raw, orientation: orientationB.value)
    let halves = format ?? product.halves
    let status = withUnsafePointer(to: epilogue.raw(M: M, N: N, halves: halves)) { raw in
        ck_matmul(
            context.handle, product.raw, M, N, K, left(a, orientationA, product), right,
            result(UnsafeMutableRawPointer(c.base), C.type(halves: halves), store, raw))
    }
    try check(status, "matmul of \(M)x\(K) by \(K)x\(N) \(product)")
}

private func left<A: MatrixElement>(_ a: Span<A>, _ orientation: Orientation, _ product: Product) -> ck_left {
    ck_left(data: UnsafeRawPointer(a.base), type: A.type(halves: product.halves).raw, orientation: orientation.value)
}

private func result(
    _ c: UnsafeMutableRawPointer, _ type: ElementType, _ store: Store, _ epilogue: UnsafePointer<ck_epilogue>
) -> ck_result {
    ck_result(data: c, type: type.raw, store: store.value, epilogue: epilogue)
}

/// `C[i, j] = start + Σ A[i, k] B[k, j] + bias[j]`, in f32, for i < M, j < N, k < K.
///
/// Every element is one chain of multiply-adds over k in increasing order, from 0 or from the value in C when accumulating; the
/// bias is added last. The bits depend on nothing but the row of A, the column of B and the instruction set: not on M, not on
/// threads, not on whether B was packed ahead.
///
/// - Parameters:
///   - a: M x K elements, stored as `orientationA` says.
///   - b: K x N elements, stored as `orientationB` says.
///   - c: `[M, N]`.
///   - bias: N elements, or nil.
/// - Throws: `.noMemory` when there is none left to pack into.
public func matmul(
    M: Int, N: Int, K: Int, _ a: Span<Float>, _ orientationA: Orientation, _ b: Span<Float>,
    _ orientationB: Orientation,
    into c: consuming MutableSpan<Float>, store: Store = .replace, bias: Span<Float>? = nil, on context: Context
) throws(KernelError) {
    precondition(
        holds(a.count, M, K) && holds(b.count, K, N) && holds(c.count, M, N) && holds(bias, N),
        "matmul of \(M)x\(K) by \(K)x\(N): A has \(a.count) elements, B \(b.count), C \(c.count)\(describe(bias))")
    try check(
        ck_matmul_f32(
            context.handle, M, N, K, a.base, orientationA.value, b.base, orientationB.value, c.base, store.value,
            base(bias)),
        "matmul of \(M)x\(K) by \(K)x\(N)")
}

/// The f32 product with a matrix packed ahead: the same bits as with the unpacked one.
///
/// - Parameters:
///   - a: `[M, K]`.
///   - b: a ``PackedMatrix`` for f32, N x K.
///   - c: `[M, N]`.
///   - bias: N elements, or nil.
/// - Throws: `.noKernel` when the context does not allow the instruction set that b is packed for.
public func matmul(
    M: Int, _ a: Span<Float>, _ b: PackedMatrix, into c: consuming MutableSpan<Float>, store: Store = .replace,
    bias: Span<Float>? = nil, on context: Context
) throws(KernelError) {
    precondition(b.product == .f32, "a product of f32 with a matrix packed for \(b.product)")
    switch bias {
    case .some(let bias):
        try matmul(M: M, a, .asIs, b, into: c, store: store, epilogue: Epilogue().bias(bias), on: context)
    case .none: try matmul(M: M, a, .asIs, b, into: c, store: store, epilogue: Epilogue(), on: context)
    }
}

/// The int8 product, dequantized: `C[i, j] = (Σ A[i, k] B[k, j]) · rowScales[i] · columnScales[j] + bias[j]`.
///
/// The sum is exact; the column scales are those that b was packed with.
///
/// - Parameters:
///   - a: `[M, K]`, any values from -128 to 127.
///   - rowScales: M elements.
///   - b: a ``PackedMatrix`` for int8, N x K.
///   - c: `[M, N]`.
///   - bias: N elements, or nil.
/// - Throws: `.noKernel` when the context does not allow the instruction set that b is packed for.
public func matmul(
    M: Int, _ a: Span<Int8>, rowScales: Span<Float>, _ b: PackedMatrix, into c: consuming MutableSpan<Float>,
    bias: Span<Float>? = nil, on context: Context
) throws(KernelError) {
    let scaled = Epilogue().rowScales(rowScales)
    switch bias {
    case .some(let bias): try matmul(M: M, a, .asIs, b, into: c, epilogue: scaled.bias(bias), on: context)
    case .none: try matmul(M: M, a, .asIs, b, into: c, epilogue: scaled, on: context)
    }
}

/// The int8 product as it is: `C[i, j] = Σ A[i, k] B[k, j]`, exact in 32 bits on every instruction set.
///
/// - Parameters:
///   - a: `[M, K]`, any values from -128 to 127.
///   - b: a ``PackedMatrix`` for int8, N x K; its scales are left aside.
///   - c: `[M, N]`.
/// - Throws: `.noKernel` when the context does not allow the instruction set that b is packed for.
public func matmul(
    M: Int, _ a: Span<Int8>, _ b: PackedMatrix, into c: consuming MutableSpan<Int32>, on context: Context
) throws(KernelError) {
    try matmul(M: M, a, .asIs, b, into: c, epilogue: Epilogue(), on: context)
}

/// Whether `count` is rows x columns, neither negative.
func holds(_ count: Int, _ rows: Int, _ columns: Int) -> Bool {
    let (product, overflow) = rows.multipliedReportingOverflow(by: columns)
    return rows >= 0 && columns >= 0 && !overflow && product == count
}

func holds(_ bias: Span<Float>?, _ columns: Int) -> Bool {
    switch bias {
    case .some(let bias): bias.count == columns
    case .none: true
    }
}

func describe(_ values: Span<Float>?, _ what: String = "bias") -> String {
    switch values {
    case .some(let values): ", \(what) \(values.count)"
    case .none: ""
    }
}
