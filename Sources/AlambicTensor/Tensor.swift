import AlambicKernels

/// A dense row-major tensor of 32-bit floats: weights, gradients, the residual stream.
public typealias Tensor = DenseTensor<Float>
/// A dense row-major tensor of bf16 values as their bits: what mixed-precision products read.
public typealias HalfTensor = DenseTensor<UInt16>

/// A dense row-major tensor: a shape over (a part of) shared, 64-byte aligned memory.
///
/// Copies share their elements. Writing while another thread reads is a programmer's mistake; every function that
/// writes says so.
public struct DenseTensor<Element: BitwiseCopyable & Sendable>: Sendable {
    /// The extents.
    public let shape: Shape
    /// The memory that holds the elements, perhaps together with other tensors.
    public let storage: Memory<Element>
    /// Index in `storage` of the first element.
    public let offset: Int

    /// A tensor of zeros in memory of its own.
    ///
    /// - Throws: `KernelError` when there is no memory for it.
    public init(_ shape: Shape) throws(KernelError) {
        self.init(shape, storage: try Memory<Element>(count: shape.count), offset: 0)
    }

    /// A tensor over existing memory, from element `offset` on.
    public init(_ shape: Shape, storage: Memory<Element>, offset: Int = 0) {
        precondition(
            offset >= 0 && offset + shape.count <= storage.count,
            "shape \(shape) at element \(offset) does not fit a memory of \(storage.count) elements")
        self.shape = shape
        self.storage = storage
        self.offset = offset
    }

    /// A tensor in memory of its own with the given elements, row-major.
    public init(_ shape: Shape, _ elements: [Element]) throws(KernelError) {
        precondition(elements.count == shape.count, "\(elements.count) elements for shape \(shape)")
        try self.init(shape)
        elements.withUnsafeBytes { bytes in withUnsafeMutableBytes { $0.copyMemory(from: bytes) } }
    }

    /// Number of elements.
    public var count: Int { shape.count }
    /// Number of rows of `columns` elements.
    public var rows: Int { shape.rows }
    /// The innermost extent.
    public var columns: Int { shape.columns }

    /// The elements, to read.
    public var span: Span<Element> {
        @_lifetime(borrow self)
        get { unsafe _overrideLifetime(storage.span(offset..<offset + count), borrowing: self) }
    }

    /// The elements, to write. All copies of this tensor see the change.
    public var mutableSpan: MutableSpan<Element> {
        @_lifetime(borrow self)
        get { unsafe _overrideLifetime(storage.mutableSpan(offset..<offset + count), borrowing: self) }
    }

    /// Rows `range` (of `columns` elements each) as a tensor of shape [range.count, columns] over the same memory.
    public func rows(_ range: Range<Int>) -> DenseTensor {
        precondition(range.lowerBound >= 0 && range.upperBound <= rows, "rows \(range) of shape \(shape)")
        return DenseTensor([range.count, columns], storage: storage, offset: offset + range.lowerBound * columns)
    }

    /// The same elements under another shape of the same count.
    public func reshaped(_ other: Shape) -> DenseTensor {
        precondition(other.count == count, "shape \(shape) has not as many elements as \(other)")
        return DenseTensor(other, storage: storage, offset: offset)
    }

    /// The elements as an array, row-major.
    public var elements: [Element] {
        let source = span
        return [Element](unsafeUninitializedCapacity: count) { buffer, initialized in
            for i in 0..<source.count { buffer.initializeElement(at: i, to: source[i]) }
            initialized = source.count
        }
    }

    /// Calls `body` with the elements' bytes, to read.
    public func withUnsafeBytes<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let source = span
        return try source.withUnsafeBytes(body)
    }

    /// Calls `body` with the elements' bytes, to write. All copies of this tensor see the change.
    public func withUnsafeMutableBytes<Result, Failure: Error>(
        _ body: (UnsafeMutableRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        var target = mutableSpan
        return try target.withUnsafeMutableBytes(body)
    }

    /// Overwrites the elements with those of `other`, whose count must be the same.
    public func copy(from other: DenseTensor) {
        precondition(other.count == count, "copy from shape \(other.shape) to shape \(shape)")
        other.withUnsafeBytes { bytes in withUnsafeMutableBytes { $0.copyMemory(from: bytes) } }
    }

    /// Overwrites every element with zero.
    public func zero() {
        withUnsafeMutableBytes { bytes in _ = bytes.initializeMemory(as: UInt8.self, repeating: 0) }
    }

    /// A tensor with equal elements in memory of its own.
    public func copied() throws(KernelError) -> DenseTensor {
        let copy = try DenseTensor(shape)
        copy.copy(from: self)
        return copy
    }
}
