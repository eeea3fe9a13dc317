import AlambicKernels
import AlambicTensor

/// Which weights of a matrix exist. The others are zero, and stay exactly zero under any optimizer whose update of a
/// weight is zero where weight, gradient and state are.
///
/// The weights themselves are zeroed once, by ``apply(to:on:)``, with what the optimizer remembers of them; as a
/// transform the mask then only has to keep gradients from bringing them back: g <- g * m.
public final class Mask: WeightTransform, Sendable {
    /// Extents of the matrix.
    public let rows: Int
    /// Extents of the matrix.
    public let columns: Int
    /// How many weights exist.
    public let kept: Int
    /// Bit k mod 8 of byte k / 8 of row n says whether w[n, k] exists.
    let bits: Memory<UInt8>

    /// The mask that keeps w[n, k] where `keeps[n * columns + k]`.
    public init(rows: Int, columns: Int, keeps: [Bool]) throws(KernelError) {
        precondition(keeps.count == rows * columns, "\(keeps.count) decisions for \(rows) x \(columns) weights")
        self.rows = rows
        self.columns = columns
        let rowBytes = (columns + 7) / 8
        let bits = try Memory<UInt8>(count: max(rows * rowBytes, 1))
        var kept = 0
        var span = bits.mutableSpan
        for row in 0..<rows {
            for column in 0..<columns where keeps[row * columns + column] {
                span[row * rowBytes + column / 8] |= 1 << UInt8(column % 8)
                kept += 1
            }
        }
        self.kept = kept
        self.bits = bits
    }

    /// Whether weight w[row, column] exists.
    public func keeps(_ row: Int, _ column: Int) -> Bool {
        let bits = self.bits
        return bits.span[row * ((columns + 7) / 8) + column / 8] >> UInt8(column % 8) & 1 == 1
    }

    /// Whether everything that exists here exists there too.
    public func isSubset(of other: Mask) -> Bool {
        guard rows == other.rows, columns == other.columns else { return false }
        let (mine, theirs) = (bits, other.bits)
        let (a, b) = (mine.span, theirs.span)
        for i in a.indices where a[i] & ~b[i] != 0 { return false }
        return true
    }

    /// Visits the index row * columns + column of every weight that exists, in order.
    func forEachKept(_ body: (Int) -> Void) {
        let bits = self.bits
        let span = bits.span
        let rowBytes = (columns + 7) / 8
        for row in 0..<rows {
            for byte in 0..<rowBytes {
                var rest = span[row * rowBytes + byte]
                while rest != 0 {
                    body(row * columns + byte * 8 + rest.trailingZeroBitCount)
                    rest &= rest - 1
                }
            }
        }
    }

    /// The share of weights that do not exist.
    public var sparsity: Double { 1 - Double(kept) / Double(max(rows * columns, 1)) }

    /// A fingerprint of the bits, 16 hexadecimal digits (FNV-1a).
    public var digest: String {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        func add(_ word: UInt64) { hash = (hash ^ word) &* 0x100_0000_01b3 }
        add(UInt64(rows))
        add(UInt64(columns))
        let bits = self.bits
        let span = bits.span
        for index in span.indices { add(UInt64(span[index])) }
        let digits = String(hash, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }

    /// Sets what does not exist to +0.
    public func apply(to tensor: Tensor, on context: Context) throws(KernelError) {
        precondition(
            tensor.count == rows * columns, "a mask of [\(rows), \(columns)] for a tensor of \(tensor.shape)")
        let bits = self.bits
        try applyBitmask(bits.span, rows: rows, columns: columns, to: tensor.mutableSpan, on: context)
    }

    /// The weights themselves, which are zero where the mask is.
    public func effective(of parameter: Parameter, on context: Context) throws(KernelError) -> Tensor {
        parameter.value
    }

    /// Sets the gradient of what does not exist to zero.
    public func pullBack(gradient: Tensor, of parameter: Parameter, on context: Context) throws(KernelError) {
        try apply(to: gradient, on: context)
    }
}
