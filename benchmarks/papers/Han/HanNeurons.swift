import Alambic

/// Neurons that pruning has cut off (Han et al. 2015, section 3.5).
enum HanNeurons {
    /// Removes every weight of hidden neurons that nothing comes into, or that nothing goes out of. What such a neuron adds to
    /// the next layer is a constant, which moves into that layer's biases: the network computes the same.
    ///
    /// Layers of neurons must be followed by max(x, 0). Channels of a convolution are neurons with the weights of all windows.
    ///
    /// - Returns: the number of neurons without weights.
    static func removeDead(_ classifier: Classifier, _ parameters: [Parameter], on context: Context) throws -> Int {
        // Forwards, what became constant; backwards, what nobody reads. One removal leads to the next.
        let hidden = Array(stride(from: 0, to: parameters.count - 2, by: 2))
        var dead: Int
        var before = -1
        repeat {
            dead = 0
            for layer in hidden { foldConstants(parameters, layer) }
            for layer in hidden.reversed() { dead += dropUnread(parameters, layer) }
            (before, dead) = (dead, dead == before ? dead : -1)
        } while dead < 0
        return dead
    }

    /// Columns of the next layer's weights that read neuron `unit` of `count`: images keep their channels innermost.
    private static func readers(_ unit: Int, of count: Int, _ columns: Int) -> StrideTo<Int> {
        stride(from: unit, to: columns, by: count)
    }

    private static func foldConstants(_ parameters: [Parameter], _ layer: Int) {
        let (weights, biases) = (parameters[layer].value, parameters[layer + 1].value)
        let (next, nextBiases) = (parameters[layer + 2].value, parameters[layer + 3].value)
        var bias = biases.mutableSpan
        var target = next.mutableSpan
        var targetBias = nextBiases.mutableSpan
        let source = weights.span
        for unit in 0..<weights.rows {
            guard (0..<weights.columns).allSatisfy({ source[unit * weights.columns + $0] == 0 }) else { continue }
            let constant = max(bias[unit], 0)
            bias[unit] = 0
            for output in 0..<next.rows {
                for column in readers(unit, of: weights.rows, next.columns) {
                    targetBias[output] += constant * target[output * next.columns + column]
                    target[output * next.columns + column] = 0
                }
            }
        }
    }

    /// - Returns: the number of neurons that nobody reads.
    private static func dropUnread(_ parameters: [Parameter], _ layer: Int) -> Int {
        let (weights, biases) = (parameters[layer].value, parameters[layer + 1].value)
        let next = parameters[layer + 2].value
        var source = weights.mutableSpan
        var bias = biases.mutableSpan
        let target = next.span
        var dead = 0
        for unit in 0..<weights.rows {
            let isRead = (0..<next.rows).contains { output in
                readers(unit, of: weights.rows, next.columns).contains { target[output * next.columns + $0] != 0 }
            }
            guard !isRead else { continue }
            bias[unit] = 0
            for column in 0..<weights.columns { source[unit * weights.columns + column] = 0 }
            dead += 1
        }
        return dead
    }
}
