// swift-format-ignore-file: AlwaysUseLowerCamelCase
// M, N and K are the names that the field uses.

import CKernels

/// The right-hand operand of a product, packed ahead in the layout of the best variant that a context allows: weights are
/// packed once and multiplied many times. Immutable.
///
/// It can be used with every context that allows that variant, whatever its number of threads.
public final class PackedMatrix: @unchecked Sendable {
    /// What the packed matrix holds.
    public enum Element: Sendable, Hashable {
        /// 32-bit floating point.
        case f32
        /// 8-bit integers, with a scale for each column.
        case s8
    }

    /// Columns of the product: outputs of a linear layer.
    public let N: Int
    /// What is summed over: inputs of a linear layer.
    public let K: Int
    /// What it holds.
    public let element: Element
    let handle: OpaquePointer

    /// Bytes of memory that the packed form takes.
    public var bytes: Int { ck_packed_bytes(handle) }

    /// Packs an f32 matrix of K x N elements, stored as `[N, K]` when transposed (a linear layer's weights), else `[K, N]`.
    ///
    /// The context may not be that of an ``OperationList``. Throws `.noMemory` when there is none left.
    public init(
        f32 b: Span<Float>, N: Int, K: Int, orientation: Orientation = .transposed, on context: Context
    ) throws(KernelError) {
        precondition(holds(b.count, N, K), "packing of \(N)x\(K): \(b.count) elements")
        precondition(!context.isRecording, "matrices are packed at once, not by a list of operations")
        var packed: OpaquePointer?
        let status = ck_packed_create_f32(context.handle, N, K, b.base, orientation.value, &packed)
        guard let packed else { throw KernelError(status, "packing of \(N)x\(K) f32") }
        (self.N, self.K, element, handle) = (N, K, .f32, packed)
    }

    /// Packs an int8 matrix stored as `[N, K]`, with N scales, which are copied.
    ///
    /// The context may not be that of an ``OperationList``. Throws `.badShape` when K is over 131071, beyond which sums may not
    /// fit in 32 bits, and `.noMemory` when there is none left.
    public init(s8 b: Span<Int8>, N: Int, K: Int, scales: Span<Float>, on context: Context) throws(KernelError) {
        precondition(
            holds(b.count, N, K) && scales.count == N,
            "packing of \(N)x\(K): \(b.count) elements, \(scales.count) scales")
        precondition(!context.isRecording, "matrices are packed at once, not by a list of operations")
        var packed: OpaquePointer?
        let status = ck_packed_create_s8(context.handle, N, K, b.base, CK_TRANSPOSED, scales.base, &packed)
        guard let packed else { throw KernelError(status, "packing of \(N)x\(K) int8") }
        (self.N, self.K, element, handle) = (N, K, .s8, packed)
    }

    deinit { ck_packed_destroy(handle) }
}
