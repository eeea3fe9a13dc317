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
    public static let matmulF32: [Variant] = Variant.list(ck_matmul_f32_variants)
    /// The int8 matrix products of this build, best first.
    public static let matmulS8: [Variant] = Variant.list(ck_matmul_s8_variants)
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
///   - b: an f32 ``PackedMatrix``, N x K.
///   - c: `[M, N]`.
///   - bias: N elements, or nil.
/// - Throws: `.noKernel` when the context does not allow the instruction set that b is packed for.
public func matmul(
    M: Int, _ a: Span<Float>, _ b: PackedMatrix, into c: consuming MutableSpan<Float>, store: Store = .replace,
    bias: Span<Float>? = nil, on context: Context
) throws(KernelError) {
    let (N, K) = (b.N, b.K)
    precondition(b.element == .f32, "a product of f32 with a matrix packed as \(b.element)")
    precondition(
        holds(a.count, M, K) && holds(c.count, M, N) && holds(bias, N),
        "matmul of \(M)x\(K) by packed \(K)x\(N): A has \(a.count) elements, C \(c.count)\(describe(bias))")
    try check(
        ck_matmul_f32_packed(context.handle, M, a.base, CK_AS_IS, b.handle, c.base, store.value, base(bias)),
        "matmul of \(M)x\(K) by packed \(K)x\(N) f32")
}

/// The int8 product, dequantized: `C[i, j] = (Σ A[i, k] B[k, j]) · rowScales[i] · columnScales[j] + bias[j]`.
///
/// The sum is exact; the column scales are those that b was packed with.
///
/// - Parameters:
///   - a: `[M, K]`, any values from -128 to 127.
///   - rowScales: M elements.
///   - b: an int8 ``PackedMatrix``, N x K.
///   - c: `[M, N]`.
///   - bias: N elements, or nil.
/// - Throws: `.noKernel` when the context does not allow the instruction set that b is packed for.
public func matmul(
    M: Int, _ a: Span<Int8>, rowScales: Span<Float>, _ b: PackedMatrix, into c: consuming MutableSpan<Float>,
    bias: Span<Float>? = nil, on context: Context
) throws(KernelError) {
    let (N, K) = (b.N, b.K)
    precondition(b.element == .s8, "a product of int8 with a matrix packed as \(b.element)")
    precondition(
        holds(a.count, M, K) && holds(c.count, M, N) && rowScales.count == M && holds(bias, N),
        """
        matmul of \(M)x\(K) by packed \(K)x\(N): A has \(a.count) elements, C \(c.count), row scales \
        \(rowScales.count)\(describe(bias))
        """)
    try check(
        ck_matmul_s8_packed_dequantized(context.handle, M, a.base, rowScales.base, b.handle, c.base, base(bias)),
        "matmul of \(M)x\(K) by packed \(K)x\(N) int8")
}

/// The int8 product as it is: `C[i, j] = Σ A[i, k] B[k, j]`, exact in 32 bits on every instruction set.
///
/// - Parameters:
///   - a: `[M, K]`, any values from -128 to 127.
///   - b: an int8 ``PackedMatrix``, N x K.
///   - c: `[M, N]`.
/// - Throws: `.noKernel` when the context does not allow the instruction set that b is packed for.
public func matmul(
    M: Int, _ a: Span<Int8>, _ b: PackedMatrix, into c: consuming MutableSpan<Int32>, on context: Context
) throws(KernelError) {
    let (N, K) = (b.N, b.K)
    precondition(b.element == .s8, "a product of int8 with a matrix packed as \(b.element)")
    precondition(
        holds(a.count, M, K) && holds(c.count, M, N),
        "matmul of \(M)x\(K) by packed \(K)x\(N): A has \(a.count) elements, C \(c.count)")
    try check(
        ck_matmul_s8_packed(context.handle, M, a.base, b.handle, c.base),
        "matmul of \(M)x\(K) by packed \(K)x\(N) int8")
}

/// Whether `count` is rows x columns, neither negative.
func holds(_ count: Int, _ rows: Int, _ columns: Int) -> Bool {
    let (product, overflow) = rows.multipliedReportingOverflow(by: columns)
    return rows >= 0 && columns >= 0 && !overflow && product == count
}

private func holds(_ bias: Span<Float>?, _ columns: Int) -> Bool {
    switch bias {
    case .some(let bias): bias.count == columns
    case .none: true
    }
}

private func describe(_ bias: Span<Float>?) -> String {
    switch bias {
    case .some(let bias): ", bias \(bias.count)"
    case .none: ""
    }
}
