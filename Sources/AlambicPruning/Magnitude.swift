import AlambicKernels
import AlambicTensor

/// Removes the weights of smallest magnitude, matrix by matrix (Han, Pool, Tran and Dally 2015, "Learning both weights
/// and connections", section 3: "all connections with weights below a threshold are removed from the network").
///
/// The threshold of a matrix is the one that removes the share asked for, to the weight; of equal magnitudes those that
/// come first go first.
public struct Magnitude: PruningMethod {
    /// The name by which the registry knows it.
    public static let name = "magnitude"

    /// At its default settings.
    public init() {}

    /// Keeps the weights of largest magnitude.
    public func mask(of weights: Tensor, removing removed: Int, after earlier: Mask?) throws(KernelError) -> Mask {
        let (rows, columns) = (weights.rows, weights.columns)
        precondition(removed >= 0 && removed <= weights.count, "removing \(removed) of \(weights.count) weights")
        // Bits of floats without the sign are ordered as their magnitudes. What is gone already comes before all.
        let values = weights.span
        var keys = [UInt32](repeating: 0, count: weights.count)
        for row in 0..<rows {
            for column in 0..<columns {
                let index = row * columns + column
                if earlier?.keeps(row, column) ?? true { keys[index] = (values[index].bitPattern & 0x7FFF_FFFF) + 1 }
            }
        }
        var keeps = [Bool](repeating: true, count: keys.count)
        if removed > 0 {
            let threshold = keys.sorted()[removed - 1]
            var ties = removed - keys.count { $0 < threshold }
            for (index, key) in keys.enumerated() where key <= threshold {
                if key == threshold {
                    if ties == 0 { continue }
                    ties -= 1
                }
                keeps[index] = false
            }
        }
        return try Mask(rows: rows, columns: columns, keeps: keeps)
    }
}

extension PruningMethod where Self == Magnitude {
    /// By magnitude within each matrix.
    public static var magnitude: Magnitude { Magnitude() }
}
