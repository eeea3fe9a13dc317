import AlambicKernels
import Testing

/// As ``Guarded``, for 16-bit elements.
final class GuardedHalves {
    private static let margin = 37
    private static let mark: UInt16 = 0x7fa5  // a NaN in bf16
    private let start: UnsafeMutablePointer<UInt16>
    let count: Int

    init(_ values: [UInt16]) {
        count = values.count
        start = .allocate(capacity: count + 2 * Self.margin)
        start.initialize(repeating: Self.mark, count: count + 2 * Self.margin)
        for (i, value) in values.enumerated() { start[Self.margin + i] = value }
    }

    deinit { start.deallocate() }

    /// As many elements, which are to be overwritten.
    convenience init(count: Int) { self.init([UInt16](repeating: Self.mark, count: count)) }

    var span: Span<UInt16> {
        @_lifetime(borrow self)
        get {
            let span = unsafe Span(_unsafeStart: UnsafePointer(start + Self.margin), count: count)
            return unsafe _overrideLifetime(span, borrowing: self)
        }
    }

    var mutableSpan: MutableSpan<UInt16> {
        @_lifetime(borrow self)
        get {
            let span = unsafe MutableSpan(_unsafeStart: start + Self.margin, count: count)
            return unsafe _overrideLifetime(span, borrowing: self)
        }
    }

    /// The elements, which are bf16, widened; the test fails when a margin was written to.
    func values(_ label: String) -> [Float] {
        for i in -Self.margin..<count + Self.margin where i < 0 || i >= count {
            if start[Self.margin + i] != Self.mark {
                Issue.record("\(label): wrote outside its operand, at \(i) of \(count)")
                break
            }
        }
        return UnsafeBufferPointer(start: start + Self.margin, count: count).map(widenedBF16)
    }
}

/// The value of a bf16: the upper half of a single.
func widenedBF16(_ half: UInt16) -> Float { Float(bitPattern: UInt32(half) << 16) }

/// The bf16 nearest to each number, ties to even, by the conversion that has its own tests.
func nearestBF16(_ x: [Float]) throws -> [UInt16] {
    var halves = [UInt16](repeating: 0, count: x.count)
    try convert(x.span, to: .bf16, into: halves.mutableSpan, on: .default)
    return halves
}

/// The numbers rounded to bf16 and widened again.
func roundedToBF16(_ x: [Float]) throws -> [Float] { try nearestBF16(x).map(widenedBF16) }
