import AlambicKernels
import AlambicTensor

/// How products in training with a mask treat the weights that do not exist.
///
/// Sums over what exists round as those over everything do, in another order in `dW`: losses agree within rounding, not bit
/// for bit. A run resumes only with the products that it was saved with.
public enum MaskedProducts: Sendable, Hashable {
    /// Multiplies them, as the zeros that they are.
    case dense
    /// Skips them in these products.
    case sparse(SparseProducts)
    /// Skips them where that is faster on this machine, measured for each shape when the mask is set. Products in f32
    /// only, with most of the weights gone; others, and small matrices, are dense without a measurement.
    case measured
}

extension Mask {
    /// The weights that exist, zeros among them included.
    func existing(of weights: Tensor) -> CompressedRows<Float> {
        precondition(
            weights.count == rows * columns, "a mask of [\(rows), \(columns)] for a tensor of \(weights.shape)")
        var result = CompressedRows<Float>(rowOffsets: [0], columns: [], values: [])
        result.columns.reserveCapacity(kept)
        result.values.reserveCapacity(kept)
        let span = weights.span, bits = self.bits, rowBytes = (columns + 7) / 8
        let mask = bits.span
        for row in 0..<rows {
            for byte in 0..<rowBytes {
                var rest = mask[row * rowBytes + byte]
                while rest != 0 {
                    let column = byte * 8 + rest.trailingZeroBitCount
                    result.columns.append(Int32(column))
                    result.values.append(span[row * columns + column])
                    rest &= rest - 1
                }
            }
            result.rowOffsets.append(Int64(result.columns.count))
        }
        return result
    }

    /// Makes the given products of a parameter that has this mask skip what does not exist. Between steps only.
    ///
    /// - Throws: `.noMemory`.
    public func skipZeros(
        of parameter: Parameter, in products: SparseProducts, on context: Context
    ) throws(KernelError) {
        precondition(parameter.transform === self, "\(parameter.path) does not have this mask")
        parameter.sparse =
            products.isEmpty
            ? nil
            : try SparseForms(
                existing(of: parameter.value), rows: rows, columns: columns, for: products, on: context)
    }
}
