import AlambicKernels
import AlambicTestSupport
import Testing

/// An operand between margins that nobody may write to, at an address that is aligned to nothing but an element.
final class GuardedOperand<Element: GuardedElement> {
    private static var margin: Int { 37 }
    private let start: UnsafeMutablePointer<Element>
    let count: Int

    init(_ values: [Element]) {
        count = values.count
        start = .allocate(capacity: count + 2 * Self.margin)
        start.initialize(repeating: .mark, count: count + 2 * Self.margin)
        for (i, value) in values.enumerated() { start[Self.margin + i] = value }
    }

    deinit { start.deallocate() }

    /// As many elements, which are to be overwritten.
    convenience init(count: Int) { self.init([Element](repeating: .mark, count: count)) }

    var span: Span<Element> {
        @_lifetime(borrow self)
        get {
            let span = unsafe Span(_unsafeStart: UnsafePointer(start + Self.margin), count: count)
            return unsafe _overrideLifetime(span, borrowing: self)
        }
    }

    var mutableSpan: MutableSpan<Element> {
        @_lifetime(borrow self)
        get {
            let span = unsafe MutableSpan(_unsafeStart: start + Self.margin, count: count)
            return unsafe _overrideLifetime(span, borrowing: self)
        }
    }

    /// The elements' values; the test fails when a margin was written to.
    func values(_ label: String) -> [Float] {
        for i in -Self.margin..<count + Self.margin where i < 0 || i >= count {
            if !start[Self.margin + i].isMark {
                Issue.record("\(label): wrote outside its operand, at \(i) of \(count)")
                break
            }
        }
        return UnsafeBufferPointer(start: start + Self.margin, count: count).map(\.widened)
    }
}

typealias Guarded = GuardedOperand<Float>
/// Of bf16, as its bits.
typealias GuardedHalves = GuardedOperand<UInt16>

protocol GuardedElement: BitwiseCopyable {
    /// A NaN: shows in results if it is ever read.
    static var mark: Self { get }
    var isMark: Bool { get }
    var widened: Float { get }
}

extension Float: GuardedElement {
    static var mark: Float { Float(bitPattern: 0x7fa5_5a5a) }
    var isMark: Bool { bitPattern == Self.mark.bitPattern }
    var widened: Float { self }
}

extension UInt16: GuardedElement {
    static var mark: UInt16 { 0x7fa5 }
    var isMark: Bool { self == Self.mark }
    var widened: Float { float(self) }
}

extension Int32: GuardedElement {
    static var mark: Int32 { 0x7fa5_5a5a }
    var isMark: Bool { self == Self.mark }
    var widened: Float { Float(self) }
}

/// Runs on every variant that this machine has, with each number of threads: `check` sees what one thread made, and the others
/// must have made the same bits.
func onEveryContext(
    _ variants: [Variant], _ label: String, threads: [Int] = threadCounts, run: (Context, String) throws -> [[Float]],
    check: ([[Float]], String) -> Void
) throws {
    #expect(variants.last?.needs == .portable, "\(label): the last variant must run anywhere")
    for variant in variants where variant.runsHere {
        var first: [[Float]] = []
        for count in threads {
            let here = "\(label), \(variant), \(count) threads"
            let results = try run(variant.context(threads: count), here)
            if first.isEmpty {
                first = results
                check(results, here)
            } else {
                for (i, (a, b)) in zip(first, results).enumerated() {
                    if let difference = firstDifference(a, b) { Issue.record("\(here): result \(i)\(difference)") }
                }
            }
        }
    }
}

/// Half a unit in the last place of 1: the relative error of one rounding to f32.
let roundoff = 0x1p-24

/// Numbers of columns around the edges of vectors of 4, 8 and 16 lanes and of groups of four of them.
let edgeColumns = [1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 129, 768, 1000]

/// Fails the test when an element is outside its tolerance.
func expectWithin(
    _ actual: [Float], _ expected: [Double], _ label: String, tolerance: (Int) -> Double
) {
    if let worst = worstExcess(actual, expected: expected, tolerance: tolerance) { Issue.record("\(label): \(worst)") }
}
