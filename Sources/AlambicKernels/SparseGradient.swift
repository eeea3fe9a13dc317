// swift-format-ignore-file: AlwaysUseLowerCamelCase
// M, N and K are the names that the field uses.

import CKernels

/// `dW[n, k] (+)= Σ dY[i, n] X[i, k]` for i < M, at the elements (n, k) of a sparse matrix alone: the gradient of a linear layer
/// whose weights are few (a sampled product of dense matrices).
///
/// Sums have the same bits for any number of threads. What W has no element for is not multiplied.
///
/// - Parameters:
///   - dy: `[M, N]`: f32, or bf16 as `UInt16`.
///   - x: `[M, K]`: the same.
///   - w: which elements there are; their values are not read.
///   - dw: `[N, K]`. Replacing, +0 goes where there is no element; accumulating, nothing.
///   - store: whether sums take the place of what is in `dw`, or are added to it.
/// - Throws: `.noMemory`.
public func gradient<Element: MatrixElement>(
    M: Int, _ dy: Span<Element>, _ x: Span<Element>, at w: SparseMatrix, into dw: consuming MutableSpan<Float>,
    store: Store = .replace, on context: Context
) throws(KernelError) {
    let (N, K) = (w.N, w.K)
    precondition(
        holds(dy.count, M, N) && holds(x.count, M, K) && holds(dw.count, N, K),
        """
        gradient at sparse \(N)x\(K) over \(M) rows: dY has \(dy.count) elements, X \(x.count), dW \(dw.count)
        """)
    precondition(
        Element.self == Float.self || Element.self == UInt16.self, "a gradient from \(Element.self) elements")
    context.keep(w)
    let type = Element.type(halves: .bf16).raw
    try check(
        ck_csr_gradient(
            context.handle, M, ck_left(data: UnsafeRawPointer(dy.base), type: type, orientation: CK_AS_IS),
            ck_left(data: UnsafeRawPointer(x.base), type: type, orientation: CK_AS_IS), w.handle, dw.base, store.value),
        "gradient at sparse \(N)x\(K) over \(M) rows")
}
