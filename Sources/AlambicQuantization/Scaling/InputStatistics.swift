import AlambicKernels
import AlambicTensor

/// What is known of the inputs of a layer, input by input.
struct InputStatistics {
    /// How many rows were seen.
    private(set) var rows = 0
    /// max |x_j|.
    private(set) var greatest: [Float]
    /// Σ |x_j|.
    private var sums: [Double]

    init(inputs: Int) {
        greatest = [Float](repeating: 0, count: inputs)
        sums = [Double](repeating: 0, count: inputs)
    }

    /// Mean |x_j|.
    var means: [Float] { sums.map { Float($0 / Double(max(1, rows))) } }

    /// Takes notice of x, [rows, inputs].
    ///
    /// - Throws: `.badArgument` for what is not finite.
    mutating func add(_ x: Tensor) throws(KernelError) {
        precondition(x.columns == greatest.count, "inputs \(x.shape) of a layer with \(greatest.count)")
        let (elements, columns) = (x.span, x.columns)
        for row in 0..<x.rows {
            for j in 0..<columns {
                let magnitude = abs(elements[row * columns + j])
                greatest[j] = max(greatest[j], magnitude)
                sums[j] += Double(magnitude)
            }
        }
        rows += x.rows
        // A sum is NaN or infinite when one of its terms is: f64 does not overflow from f32.
        if let j = sums.firstIndex(where: { !$0.isFinite }) {
            throw KernelError(.badArgument, "input \(j) of a layer with \(columns) of them is not finite")
        }
    }
}
