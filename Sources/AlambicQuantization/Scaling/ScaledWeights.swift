import AlambicKernels
import AlambicModels
import AlambicTensor

extension PackedWeight {
    /// Whether it holds integers, which cannot be scaled element by element.
    var isInteger: Bool { formName.hasSuffix("int8") || formName.hasSuffix("int4") }

    /// An f32 weight (sparse if this is) of which element (n, k) is `factor(n, k)` times this one's.
    func scaled(_ factor: (_ row: Int, _ column: Int) -> Float) throws(KernelError) -> PackedWeight {
        let dense = try dense().copied()
        let (rows, columns) = (dense.rows, dense.columns)
        var elements = dense.mutableSpan
        for n in 0..<rows { for k in 0..<columns { elements[n * columns + k] *= factor(n, k) } }
        return isSparse ? .bitmask(try BitmaskTensor(dense)) : .f32(dense)
    }
}

extension InputScaling {
    /// The weight whose outputs are divided, if it is one.
    var sourceWeight: ParameterID? {
        if case .linear(let weight, _, _) = source { weight } else { nil }
    }

    /// Multiplies the consumers' weights by s, input by input, and divides what makes the inputs by it. What the model
    /// computes changes by rounding alone, and not at all where s are powers of two.
    func apply(_ scales: [Float], to weights: inout [PackedWeight]) throws(KernelError) {
        for consumer in consumers {
            weights[consumer.index] = try weights[consumer.index].scaled { _, k in scales[k] }
        }
        switch source {
        case .norm(let gain, let bias):
            weights[gain.index] = try weights[gain.index].scaled { _, k in 1 / scales[k] }
            weights[bias.index] = try weights[bias.index].scaled { _, k in 1 / scales[k] }
        case .linear(let weight, let bias, let outputs):
            let first = outputs.lowerBound
            weights[weight.index] = try weights[weight.index].scaled { n, _ in
                outputs.contains(n) ? 1 / scales[n - first] : 1
            }
            weights[bias.index] = try weights[bias.index].scaled { _, k in
                outputs.contains(k) ? 1 / scales[k - first] : 1
            }
        }
    }
}
