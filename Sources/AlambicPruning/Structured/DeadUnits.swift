import AlambicKernels
import AlambicTensor

/// A fully connected layer as its numbers: y = x Wᵀ + b.
public struct PlainLayer: Sendable {
    /// [outputs, inputs].
    public var weight: Tensor
    /// [outputs].
    public var bias: Tensor

    /// A layer. The bias has one element for each row of the weight.
    public init(weight: Tensor, bias: Tensor) {
        precondition(bias.count == weight.rows, "a bias of \(bias.shape) for a weight of \(weight.shape)")
        (self.weight, self.bias) = (weight, bias)
    }
}

/// Units that pruning has left without any inputs, or without any outputs (Han et al. 2015, section 3.5, "pruning neurons"): they
/// and all their connections can be removed, and the network computes what it did.
///
/// - A unit all of whose outgoing weights are zero is not heard: it goes.
/// - A unit all of whose incoming weights are zero says the same whatever the input, a(b_j): it goes, and what it said becomes part
///   of the next layer's bias, b'_i += W'_ij a(b_j), so that outputs are the same up to rounding. (Han's remark that
///   such units die by themselves is one about training with regularization.)
///
/// Removing a unit can leave one of the layer before without outputs, or one of the layer behind without inputs: it goes on until nothing
/// changes. Inputs and outputs of the whole are never removed.
public enum DeadUnits {
    /// The hidden units between two layers that are dead.
    public static func find(between first: PlainLayer, and second: PlainLayer) -> [Int] {
        precondition(
            first.weight.rows == second.weight.columns,
            "a layer of \(first.weight.shape) before one of \(second.weight.shape)")
        let silent = zeroRows(first.weight)
        let unheard = zeroColumns(second.weight)
        return (0..<first.weight.rows).filter { silent[$0] || unheard[$0] }
    }

    /// The two layers without some of the hidden units between them. What those without inputs said is kept in the second bias.
    ///
    /// - Parameters:
    ///   - units: which ones, each with only zeros coming in or only zeros going out.
    ///   - activation: what is between the layers.
    public static func removed(
        _ units: [Int], between first: PlainLayer, and second: PlainLayer, activation: (Float) -> Float
    ) throws(KernelError) -> (first: PlainLayer, second: PlainLayer) {
        let going = Set(units)
        let silent = zeroRows(first.weight)
        let unheard = zeroColumns(second.weight)
        precondition(
            going.allSatisfy { silent.indices.contains($0) && (silent[$0] || unheard[$0]) },
            "units \(units) are not all dead between \(first.weight.shape) and \(second.weight.shape)")
        var biases = second.bias.elements.map(Double.init)
        let (says, outgoing) = (first.bias.elements, second.weight.elements)
        for unit in going.sorted() where silent[unit] {
            let value = Double(activation(says[unit]))
            for i in biases.indices { biases[i] += Double(outgoing[i * second.weight.columns + unit]) * value }
        }
        let kept = (0..<first.weight.rows).filter { !going.contains($0) }
        return (
            PlainLayer(
                weight: try first.weight.selecting(rows: kept),
                bias: try first.bias.selecting(elements: kept)),
            PlainLayer(
                weight: try second.weight.selecting(columns: kept),
                bias: try Tensor(second.bias.shape, biases.map(Float.init)))
        )
    }

    /// A chain of layers, with the same activation between all of them, without its dead units, and how many there were.
    public static func removed(
        from layers: [PlainLayer], activation: (Float) -> Float
    ) throws(KernelError) -> (layers: [PlainLayer], removed: Int) {
        var layers = layers
        var removed = 0
        var changes = true
        while changes {
            changes = false
            for i in 0..<max(layers.count - 1, 0) {
                let dead = find(between: layers[i], and: layers[i + 1])
                guard !dead.isEmpty else { continue }
                let pair = try Self.removed(dead, between: layers[i], and: layers[i + 1], activation: activation)
                (layers[i], layers[i + 1]) = (pair.first, pair.second)
                removed += dead.count
                changes = true
            }
        }
        return (layers, removed)
    }

    private static func zeroRows(_ weight: Tensor) -> [Bool] {
        let elements = weight.span
        var result = [Bool](repeating: true, count: weight.rows)
        for i in 0..<weight.rows {
            for j in 0..<weight.columns where elements[i * weight.columns + j] != 0 { result[i] = false }
        }
        return result
    }

    private static func zeroColumns(_ weight: Tensor) -> [Bool] {
        let elements = weight.span
        var result = [Bool](repeating: true, count: weight.columns)
        for i in 0..<weight.rows {
            for j in 0..<weight.columns where elements[i * weight.columns + j] != 0 { result[j] = false }
        }
        return result
    }
}

extension DenseTensor where Element == Float {
    /// These rows alone, in this order: [rows.count, columns].
    func selecting(rows chosen: [Int]) throws(KernelError) -> Tensor {
        let (source, columns) = (span, self.columns)
        let result = try Tensor([chosen.count, columns])
        var target = result.mutableSpan
        for (i, row) in chosen.enumerated() {
            for j in 0..<columns { target[i * columns + j] = source[row * columns + j] }
        }
        return result
    }

    /// These columns alone, in this order: [rows, columns.count].
    func selecting(columns chosen: [Int]) throws(KernelError) -> Tensor {
        let (source, columns) = (span, self.columns)
        let result = try Tensor([rows, chosen.count])
        var target = result.mutableSpan
        for i in 0..<rows {
            for (j, column) in chosen.enumerated() { target[i * chosen.count + j] = source[i * columns + column] }
        }
        return result
    }

    /// These elements of a vector alone: [elements.count].
    func selecting(elements chosen: [Int]) throws(KernelError) -> Tensor {
        let source = span
        let result = try Tensor([chosen.count])
        var target = result.mutableSpan
        for (i, place) in chosen.enumerated() { target[i] = source[place] }
        return result
    }
}
