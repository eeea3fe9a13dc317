// swift-format-ignore-file: AlwaysUseLowerCamelCase
// M, N and K are the names that the field uses.

import CKernels

/// The right-hand operand of a product, packed ahead in the layout of the best variant that a context allows: weights are
/// packed once and multiplied many times.
///
/// It can be used with every context that allows that variant, whatever its number of threads.
///
/// It is immutable but for ``update(from:orientation:on:)``, ``updatePacked(forward:backward:from:on:)`` and the steps of
/// optimizers that rebuild it. Whoever calls these sees to it that no product with the same matrix runs meanwhile; the
/// operations of one ``OperationList`` run one after the other.
public final class PackedMatrix: @unchecked Sendable {
    /// Where the packed form goes on a machine with several NUMA nodes.
    public enum Location: Sendable, CaseIterable {
        /// Each part on the node of the worker that reads it first.
        case partitioned
        /// A copy on every node.
        case replicated
        /// Page by page over all nodes.
        case interleaved

        var raw: ck_placement {
            switch self {
            case .partitioned: CK_PLACE_PARTITIONED
            case .replicated: CK_PLACE_REPLICATED
            case .interleaved: CK_PLACE_INTERLEAVED
            }
        }
    }

    /// How the weights lie in memory. Results are the same, bit for bit, but where `blocks` says otherwise.
    public enum Form: String, Sendable, CaseIterable {
        /// All of them.
        case dense
        /// A bit for each, and those that are not zero, -0 among them: 1/8 + density · bytes of an element for a weight, beside
        /// the padding of panels.
        case bitmask
        /// What is not zero of blocks of 16 columns (rows of `[N, K]`) by 1 step of K in f32, 2 in bf16, 4 in int8 products:
        /// blocks of zeros are neither stored nor multiplied. Block j of a row begins at column 16 · j. bf16 sums on AMX are
        /// rounded in another order than the dense form's (docs/Numerics.md); a NaN or infinity of A does not meet a block
        /// that is left out. 64 bytes and an index of 2 for each block that is kept.
        case blocks

        var raw: ck_form {
            switch self {
            case .dense: CK_FORM_DENSE
            case .bitmask: CK_FORM_BITMASK
            case .blocks: CK_FORM_BLOCKS
            }
        }
    }

    /// Columns of the product: outputs of a linear layer.
    public let N: Int
    /// What is summed over: inputs of a linear layer.
    public let K: Int
    /// The product that it is packed for.
    public let product: Product
    /// How the weights lie in memory.
    public let form: Form
    let handle: OpaquePointer

    /// Bytes of memory that one copy of the packed form takes.
    public var bytes: Int { ck_packed_bytes(handle) }
    /// How many copies there are: 1, or one for each NUMA node.
    public var copies: Int { Int(ck_packed_copies(handle)) }

    private init(
        _ product: Product, N: Int, K: Int, _ form: Form, _ weights: consuming ck_weights, _ location: Location,
        _ context: Context
    ) throws(KernelError) {
        precondition(!context.isRecording, "matrices are packed at once, not by a list of operations")
        var packed: OpaquePointer?
        weights.form = form.raw
        let status = ck_packed_create(context.handle, product.raw, N, K, weights, location.raw, &packed)
        guard let packed else { throw KernelError(status, "packing of \(N)x\(K) for \(product) as \(form)") }
        (self.N, self.K, self.product, self.form, handle) = (N, K, product, form, packed)
    }

    /// Packs the right-hand side of a product with whole elements.
    ///
    /// - Parameters:
    ///   - product: any but those with 4-bit weights.
    ///   - b: N x K elements of the product's type for B (`UInt16` for bf16 and f16).
    ///   - orientation: `.transposed` for `[N, K]` (a linear layer's weights), `.asIs` for `[K, N]`.
    ///   - scales: N scales that multiply the columns of the result, copied; nil for none.
    ///   - form: `.bitmask` for products of f32, bf16, f16 and int8 by the same; `.blocks` for f32, bf16 and s8.
    /// - Throws: `.badArgument` for a form that the product does not have; `.badShape` when K is over 131071 for `.s8` or 65793 for `.u8s8`, beyond which sums may not fit in 32 bits, or
    ///   as blocks of more than 65535 along K; and `.noMemory` when there is none left.
    public convenience init<Element: MatrixElement>(
        _ product: Product, _ b: Span<Element>, N: Int, K: Int, orientation: Orientation = .transposed,
        scales: Span<Float>? = nil, form: Form = .dense, location: Location = .partitioned, on context: Context
    ) throws(KernelError) {
        precondition(
            holds(b.count, N, K) && holds(scales, N),
            "packing of \(N)x\(K): \(b.count) elements\(describe(scales, "scales"))")
        precondition(
            !product.hasFourBitWeights && product.takes(right: Element.self),
            "packing of \(Element.self) elements for \(product)")
        var weights = ck_weights()
        weights.data = UnsafeRawPointer(b.base)
        weights.orientation = orientation.value
        weights.column_scales = AlambicKernels.base(scales)
        try self.init(product, N: N, K: K, form, weights, location, context)
    }

    /// Packs 4-bit weights in groups along K.
    ///
    /// The weight of column n at k is `(q - zeroPoint) · scale`, with q in 0 ..< 16.
    ///
    /// - Parameters:
    ///   - product: one with 4-bit weights.
    ///   - nibbles: `[N, K / 2]`; q of an even k in the low half of a byte.
    ///   - scales: f16 bits, `[N, K / group]`.
    ///   - zeroPoints: `[N, K / group]` in 0 ..< 16 for products with zero points of their own, else nil.
    /// - Throws: `.badShape` when the group does not divide K; `.badArgument` for a zero point over 15; `.noMemory`.
    public convenience init(
        _ product: Product, nibbles: Span<UInt8>, scales: Span<UInt16>, zeroPoints: Span<UInt8>? = nil, N: Int, K: Int,
        location: Location = .partitioned, on context: Context
    ) throws(KernelError) {
        precondition(product.hasFourBitWeights, "packing of 4-bit weights for \(product)")
        guard K.isMultiple(of: product.group) else {
            throw KernelError(.badShape, "packing of \(N)x\(K) for \(product): K is not a multiple of the group")
        }
        let groups = K / product.group
        let zeroCount =
            switch zeroPoints {
            case .some(let points): points.count
            case .none: 0
            }
        precondition(
            holds(nibbles.count, N, K / 2) && holds(scales.count, N, groups)
                && zeroCount == (product.hasZeroPoints ? N * groups : 0),
            """
            packing of \(N)x\(K) for \(product): \(nibbles.count) bytes, \(scales.count) scales, \
            \(zeroCount) zero points
            """)
        var weights = ck_weights()
        weights.data = UnsafeRawPointer(nibbles.base)
        weights.orientation = CK_TRANSPOSED
        weights.group_scales = scales.base
        weights.zero_points = AlambicKernels.base(zeroPoints)
        try self.init(product, N: N, K: K, .dense, weights, location, context)
    }

    /// Packs an f32 matrix of K x N elements, stored as `[N, K]` when transposed (a linear layer's weights), else `[K, N]`.
    ///
    /// The context may not be that of an ``OperationList``. Throws `.noMemory` when there is none left.
    public convenience init(
        f32 b: Span<Float>, N: Int, K: Int, orientation: Orientation = .transposed, on context: Context
    ) throws(KernelError) {
        try self.init(.f32, b, N: N, K: K, orientation: orientation, on: context)
    }

    /// Packs an int8 matrix stored as `[N, K]`, with N scales, which are copied.
    ///
    /// The context may not be that of an ``OperationList``. Throws `.badShape` when K is over 131071, beyond which sums may not
    /// fit in 32 bits, and `.noMemory` when there is none left.
    public convenience init(
        s8 b: Span<Int8>, N: Int, K: Int, scales: Span<Float>, on context: Context
    ) throws(KernelError) {
        try self.init(.s8, b, N: N, K: K, scales: scales, on: context)
    }

    /// Zeros, to be filled by ``update(from:orientation:on:)`` or by the step of an optimizer.
    ///
    /// - Parameter product: `.f32`, `.bf16`, `.f16`, or `.s8`, which then has column scales and is filled by updates only.
    /// - Throws: `.noMemory` when there is none left.
    public init(
        empty product: Product, N: Int, K: Int, location: Location = .partitioned, on context: Context
    ) throws(KernelError) {
        precondition(product.hasUpdatableWeights, "an empty packed matrix for \(product)")
        precondition(!context.isRecording, "matrices are packed at once, not by a list of operations")
        var packed: OpaquePointer?
        let status = ck_packed_create_zero(context.handle, product.raw, N, K, location.raw, &packed)
        guard let packed else { throw KernelError(status, "packing of \(N)x\(K) for \(product)") }
        (self.N, self.K, self.product, form, handle) = (N, K, product, .dense, packed)
    }

    /// Replaces everything by an f32 matrix of K x N elements, rounded to the product's type (to nearest, ties to even).
    ///
    /// The form must be dense, and the product `.f32`, `.bf16` or `.f16` without column scales; or `.s8` with them, which then
    /// take new values: each column of the product's B (row of `[N, K]`) is quantized as
    /// ``quantizeRows(_:rows:columns:into:scales:on:)`` does (otherwise `.badArgument`). Can be noted in an
    /// ``OperationList``, which keeps this matrix; the memory of `w` must stay in place.
    ///
    /// - Parameters:
    ///   - w: stored as `[N, K]` when transposed (a linear layer's weights), else as `[K, N]`.
    ///   - orientation: which of the two.
    public func update(
        from w: Span<Float>, orientation: Orientation = .transposed, on context: Context
    ) throws(KernelError) {
        precondition(holds(w.count, N, K), "update of a packed matrix of \(N)x\(K) from \(w.count) elements")
        context.keep(self)
        try check(
            ck_packed_update(context.handle, handle, w.base, orientation.value),
            "update of a packed matrix of \(N)x\(K) for \(product)")
    }

    deinit { ck_packed_destroy(handle) }
}

/// Rebuilds both packed forms of a linear layer's weights in one pass over them; see
/// ``PackedMatrix/update(from:orientation:on:)``.
///
/// - Parameters:
///   - forward: N = outputs, K = inputs: what `x · Wᵀ` multiplies with.
///   - backward: N = inputs, K = outputs: what `dY · W` multiplies with. Of the same product.
///   - w: the weights, `[outputs, inputs]`.
public func updatePacked(
    forward: PackedMatrix, backward: PackedMatrix, from w: Span<Float>, on context: Context
) throws(KernelError) {
    precondition(
        holds(w.count, forward.N, forward.K) && backward.N == forward.K && backward.K == forward.N,
        """
        update of packed matrices of \(forward.N)x\(forward.K) and \(backward.N)x\(backward.K) \
        from \(w.count) elements
        """)
    context.keep(forward)
    context.keep(backward)
    try check(
        ck_packed_update_both(context.handle, forward.handle, backward.handle, w.base),
        "update of packed matrices of \(forward.N)x\(forward.K) for \(forward.product)")
}

extension Product {
    /// Whether a packed matrix can be updated from f32 weights.
    var hasUpdatableWeights: Bool { self == .f32 || self == .bf16 || self == .f16 || self == .s8 }

    /// Whether B's elements in memory are of this type.
    func takes<Element: MatrixElement>(right: Element.Type) -> Bool {
        switch self {
        case .f32: right == Float.self
        case .bf16, .f16: right == UInt16.self || right == Float.self
        case .s8, .u8s8, .f32s8, .bf16s8: right == Int8.self
        default: false
        }
    }

    /// Whether A's elements in memory may be of this type: the product's own, or f32 that is converted on the way.
    func takes<Element: MatrixElement>(left: Element.Type) -> Bool {
        switch self {
        case .f32, .f32s8: left == Float.self
        case .bf16, .f16, .bf16s8, .bf16s4g32, .bf16s4g128, .bf16u4g32, .bf16u4g128:
            left == UInt16.self || left == Float.self
        case .s8, .s8s4g32, .s8s4g128, .s8u4g32, .s8u4g128: left == Int8.self || left == Float.self
        case .u8s8: left == UInt8.self
        }
    }

    /// What 16 bits of A or B stand for.
    var halves: HalfFormat { self == .f16 ? .f16 : .bf16 }
}
