import AlambicModels
import AlambicTensor

extension DeadUnits {
    /// Sets every weight and bias of a classifier's dead hidden units to zero, in place: its shapes stay, and so do the numbers
    /// that it computes, up to rounding, since what units without inputs say moves into the biases of the next layer.
    ///
    /// A unit is a row of a weight: the channel of a convolution is one, with its weights of all windows. There must be a
    /// max(x, 0) between any two layers with weights, or the program stops.
    ///
    /// - Parameter parameters: in the order of the classifier's walk, without transforms that write other weights.
    /// - Returns: the number of dead units.
    public static func silence(in classifier: Classifier, _ parameters: [Parameter]) -> Int {
        precondition(
            parameters.map(\.shape) == classifier.parameters.map(\.shape), "these are not the classifier's parameters")
        let between = classifier.layers.split(omittingEmptySubsequences: false, whereSeparator: \.hasWeights)
            .dropFirst()
        let hiddenLayers = classifier.layers.count(where: \.hasWeights) - 1
        precondition(
            between.prefix(hiddenLayers).count { $0.contains(.relu) } == hiddenLayers,
            "layers without max(x, 0) in between")
        // Forwards, what became constant; backwards, what nobody reads. One removal leads to the next.
        let hidden = Array(stride(from: 0, to: parameters.count - 2, by: 2))
        var dead = 0
        var before = -1
        repeat {
            dead = 0
            for layer in hidden { foldConstants(parameters, layer) }
            for layer in hidden.reversed() { dead += dropUnread(parameters, layer) }
            if dead == before { break }
            before = dead
        } while true
        for parameter in parameters { parameter.valueChanged() }
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
