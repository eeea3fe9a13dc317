import AlambicTensor

/// A matrix cut into blocks of 16 outputs x some inputs, numbered along the inputs first. The last row of blocks may have
/// fewer outputs.
struct WeightBlocks {
    let rows: Int
    let columns: Int
    let inputs: Int
    let across: Int

    init(rows: Int, columns: Int, inputs: Int) {
        precondition(
            inputs > 0 && columns.isMultiple(of: inputs), "blocks of \(inputs) inputs in [\(rows), \(columns)] weights")
        (self.rows, self.columns, self.inputs) = (rows, columns, inputs)
        across = columns / inputs
    }

    var count: Int { (rows + Sparsity.blockOutputs - 1) / Sparsity.blockOutputs * across }

    /// Integers in the order of the blocks' root mean squares; 0 where nothing of a block is there.
    ///
    /// - Parameter present: not 0 for weights that are there.
    func keys(of weights: Tensor, where present: [UInt32]) -> [UInt32] {
        let values = weights.span
        var sums = [Double](repeating: 0, count: count)
        var isThere = [Bool](repeating: false, count: count)
        for row in 0..<rows {
            let first = row / Sparsity.blockOutputs * across
            for column in 0..<columns where present[row * columns + column] != 0 {
                let value = Double(values[row * columns + column])
                sums[first + column / inputs] += value * value
                isThere[first + column / inputs] = true
            }
        }
        return sums.indices.map { block in
            guard isThere[block] else { return 0 }
            let top = block / across * Sparsity.blockOutputs
            let elements = min(Sparsity.blockOutputs, rows - top) * inputs
            // The root has the range of the weights, which squares as 32-bit floats would leave.
            return (Float((sums[block] / Double(elements)).squareRoot()).bitPattern & 0x7FFF_FFFF) + 1
        }
    }

    /// The marks of the blocks, for each of their weights.
    func spread(_ marks: [Bool]) -> [Bool] {
        var result = [Bool](repeating: false, count: rows * columns)
        for row in 0..<rows {
            let first = row / Sparsity.blockOutputs * across
            for column in 0..<columns { result[row * columns + column] = marks[first + column / inputs] }
        }
        return result
    }
}
