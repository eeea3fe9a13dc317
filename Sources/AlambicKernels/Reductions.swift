import CKernels

extension Kernels {
    /// Implementations of ``sumOfSquares(_:on:)`` and ``allFinite(_:on:)``.
    public static let reductions = Variant.list(ck_reduce_variants)
}

/// Σᵢ x[i]², squared and summed in double precision: what the norm of a gradient is made of.
///
/// Summed in fixed chunks, then chunks by a tree: the bits do not depend on the number of threads. Returns a number, so it
/// cannot be noted in an ``OperationList``.
public func sumOfSquares(_ x: Span<Float>, on context: Context) throws(KernelError) -> Double {
    precondition(!context.isRecording, "sumOfSquares of \(x.count) elements cannot be noted in a list")
    var result = 0.0
    try check(ck_sum_of_squares_f32(context.handle, x.count, x.base, &result), "sumOfSquares")
    return result
}

/// The same into memory, when it runs: can be noted in an ``OperationList``. `result` has one element.
public func sumOfSquares(
    _ x: Span<Float>, into result: consuming MutableSpan<Double>, on context: Context
) throws(KernelError) {
    precondition(result.count == 1, "sumOfSquares into \(result.count) elements")
    try check(ck_sum_of_squares_f32(context.handle, x.count, x.base, result.base), "sumOfSquares")
}

/// Σᵢ x[i] · y[i], multiplied and summed in double precision, in the order of ``sumOfSquares(_:on:)``: the bits do not depend
/// on the number of threads. Returns a number, so it cannot be noted in an ``OperationList``.
public func dot(_ x: Span<Float>, _ y: Span<Float>, on context: Context) throws(KernelError) -> Double {
    precondition(!context.isRecording, "dot of \(x.count) elements cannot be noted in a list")
    requireElements(x.count, y.count, "dot: x")
    var result = 0.0
    try check(ck_dot_f32(context.handle, x.count, x.base, y.base, &result), "dot")
    return result
}

/// √(Σᵢ squares[i]) in increasing order of i, into the one element of `result`: the norm of what several arrays hold
/// together. Can be noted in an ``OperationList``.
public func norm(
    ofSquares squares: Span<Double>, into result: consuming MutableSpan<Double>, on context: Context
) throws(KernelError) {
    precondition(result.count == 1, "norm into \(result.count) elements")
    try check(ck_norm_f64(context.handle, squares.count, squares.base, result.base), "norm")
}

/// Whether no element is infinite or NaN. Returns at once, so it cannot be noted in an ``OperationList``.
public func allFinite(_ x: Span<Float>, on context: Context) throws(KernelError) -> Bool {
    precondition(!context.isRecording, "allFinite of \(x.count) elements cannot be noted in a list")
    var result: Int32 = 0
    try check(ck_all_finite_f32(context.handle, x.count, x.base, &result), "allFinite")
    return result != 0
}
