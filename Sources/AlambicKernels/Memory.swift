import CKernels

/// Where the pages of a large buffer go on a machine with several NUMA nodes. On others it makes no difference.
public enum Placement: Sendable, Hashable {
    /// To the node of whoever touches them first.
    case `default`
    /// Page by page over all nodes.
    case interleaved
    /// To one node.
    case node(Int)
}

/// A buffer of a fixed number of elements: 64-byte aligned, zeroed, in huge pages when it is large enough.
///
/// Reference storage: whoever holds it may read and write, and must not let two threads do so to the same elements at the
/// same time.
public final class Memory<Element: BitwiseCopyable>: @unchecked Sendable {
    /// Elements.
    public let count: Int
    let start: UnsafeMutablePointer<Element>
    /// Whose bytes these are, if they are a part of another buffer.
    private let owner: Memory<UInt8>?

    /// A buffer of `count` zeros. Throws `.noMemory` when the system has none left, `.badArgument` for a node that does not
    /// exist.
    public init(count: Int, placement: Placement = .default, on machine: Machine = .local) throws(KernelError) {
        precondition(count >= 0, "a buffer of \(count) elements")
        let (bytes, overflow) = count.multipliedReportingOverflow(by: MemoryLayout<Element>.stride)
        guard !overflow else { throw KernelError(.noMemory, "\(count) elements do not fit in the address space") }
        let (where_, node): (ck_placement, UInt32) =
            switch placement {
            case .default: (CK_PLACE_DEFAULT, 0)
            case .interleaved: (CK_PLACE_INTERLEAVED, 0)
            case .node(let node): (CK_PLACE_NODE, UInt32(clamping: node))
            }
        var raw: UnsafeMutableRawPointer?
        let status = ck_memory_create(machine.topology.handle, bytes, where_, node, &raw)
        guard let raw else { throw KernelError(status, "buffer of \(bytes) bytes") }
        self.count = count
        start = raw.bindMemory(to: Element.self, capacity: count)
        owner = nil
    }

    /// A part of another buffer, from byte `offset` on, which must be a multiple of 64. It keeps that buffer alive.
    ///
    /// Parts may overlap: whoever makes them sees to it that they are not in use at the same time.
    public init(in owner: Memory<UInt8>, at offset: Int, count: Int) {
        let stride = MemoryLayout<Element>.stride
        precondition(
            offset >= 0 && offset.isMultiple(of: 64) && count >= 0 && count <= (owner.count - offset) / stride,
            "\(count) elements at byte \(offset) of a buffer of \(owner.count) bytes")
        self.count = count
        start = UnsafeMutableRawPointer(owner.start + offset).assumingMemoryBound(to: Element.self)
        self.owner = owner
    }

    deinit { if owner == nil { ck_memory_destroy(start, count * MemoryLayout<Element>.stride) } }

    /// All elements, to read.
    public var span: Span<Element> {
        @_lifetime(borrow self)
        get { span(0..<count) }
    }

    /// All elements, to read and write.
    public var mutableSpan: MutableSpan<Element> {
        @_lifetime(borrow self)
        get { mutableSpan(0..<count) }
    }

    /// Some of the elements, to read.
    @_lifetime(borrow self)
    public func span(_ range: Range<Int>) -> Span<Element> {
        checkBounds(range)
        let span = unsafe Span(_unsafeStart: UnsafePointer(start + range.lowerBound), count: range.count)
        return unsafe _overrideLifetime(span, borrowing: self)
    }

    /// Some of the elements, to read and write.
    @_lifetime(borrow self)
    public func mutableSpan(_ range: Range<Int>) -> MutableSpan<Element> {
        checkBounds(range)
        let span = unsafe MutableSpan(_unsafeStart: start + range.lowerBound, count: range.count)
        return unsafe _overrideLifetime(span, borrowing: self)
    }

    private func checkBounds(_ range: Range<Int>) {
        precondition(
            range.lowerBound >= 0 && range.upperBound <= count, "elements \(range) of a buffer of \(count)")
    }
}
