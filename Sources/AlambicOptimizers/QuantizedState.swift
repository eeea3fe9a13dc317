import AlambicKernels
import AlambicTensor

/// What an optimizer remembers of a parameter in one byte for every weight, with one scale for each block of
/// ``adamW8bitBlock`` neighbours of a row (Dettmers et al. 2022). Zeros at first.
public struct QuantizedState: Sendable {
    /// The parameter's shape.
    public let shape: Shape
    /// A code for every weight.
    public let codes: Memory<UInt8>
    /// The largest magnitude of every block: `[rows, ⌈columns / block⌉]`.
    public let scales: Memory<Float>

    /// Zeros for a parameter of this shape.
    public init(_ shape: Shape) throws(KernelError) {
        self.shape = shape
        codes = try Memory(count: shape.count)
        scales = try Memory(count: shape.rows * Self.blocks(shape.columns))
    }

    /// Bytes of codes and scales.
    public var bytes: Int { codes.count + 4 * scales.count }

    /// The shape of ``scales``.
    public var scaleShape: [Int] { shape.replacingColumns(by: Self.blocks(shape.columns)).dimensions }

    /// Code 0 stands for 0, signed and unsigned.
    func forget(whereZero weights: Tensor) {
        let values = weights.span
        var codes = self.codes.mutableSpan
        for i in values.indices where values[i] == 0 { codes[i] = 0 }
    }

    func copy(codes: Span<UInt8>, scales: Span<Float>) {
        var ownCodes = self.codes.mutableSpan
        var ownScales = self.scales.mutableSpan
        for i in codes.indices { ownCodes[i] = codes[i] }
        for i in scales.indices { ownScales[i] = scales[i] }
    }

    private static func blocks(_ columns: Int) -> Int { (columns + adamW8bitBlock - 1) / adamW8bitBlock }
}
