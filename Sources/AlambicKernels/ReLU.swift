import CKernels

/// y[i] = max(x[i], 0): the rectified linear unit (Nair and Hinton 2010). NaN stays NaN.
public func relu(
    _ x: Span<Float>, into y: consuming MutableSpan<Float>, on context: Context
) throws(KernelError) {
    requireElements(x.count, y.count, "relu: x")
    try check(ck_relu_f32(context.handle, y.count, x.base, y.base), "relu")
}

/// dx[i] = dy[i] where y[i] > 0, else 0; y is the result of ``relu(_:into:on:)``.
public func reluBackward(
    _ dy: Span<Float>, _ y: Span<Float>, into dx: consuming MutableSpan<Float>, on context: Context
) throws(KernelError) {
    requireElements(dy.count, dx.count, "reluBackward: dy")
    requireElements(y.count, dx.count, "reluBackward: y")
    try check(ck_relu_backward_f32(context.handle, dx.count, dy.base, y.base, dx.base), "reluBackward")
}
