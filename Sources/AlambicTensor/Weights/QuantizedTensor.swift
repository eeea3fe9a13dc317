import AlambicKernels

/// A matrix of 8-bit integers with one scale for each row: w[n, k] = values[n, k] * scales[n].
public struct QuantizedTensor: Sendable {
    /// Number of rows (outputs).
    public let rows: Int
    /// Number of columns (inputs).
    public let columns: Int
    /// [rows, columns], each in -127...127.
    public let values: Memory<Int8>
    /// [rows], positive.
    public let scales: Memory<Float>

    /// A quantized matrix over existing memory.
    public init(rows: Int, columns: Int, values: Memory<Int8>, scales: Memory<Float>) {
        precondition(
            values.count == rows * columns && scales.count == rows,
            "\(values.count) values and \(scales.count) scales for shape [\(rows), \(columns)]")
        self.rows = rows
        self.columns = columns
        self.values = values
        self.scales = scales
    }

    /// Quantizes symmetrically, row by row: scales[n] = max |w[n, :]| / 127, values rounded half to even.
    public init(_ weights: Tensor, on context: Context) throws(KernelError) {
        let values = try Memory<Int8>(count: weights.count)
        let scales = try Memory<Float>(count: weights.rows)
        try quantizeRows(
            weights.span, rows: weights.rows, columns: weights.columns, into: values.mutableSpan,
            scales: scales.mutableSpan, on: context)
        self.init(rows: weights.rows, columns: weights.columns, values: values, scales: scales)
    }

    /// w[n, k] = values[n, k] * scales[n].
    public func dense() throws(KernelError) -> Tensor {
        let result = try Tensor([rows, columns])
        var target = result.mutableSpan
        let (source, factors) = (values.span, scales.span)
        for row in 0..<rows {
            for i in row * columns..<(row + 1) * columns { target[i] = Float(source[i]) * factors[row] }
        }
        return result
    }
}
