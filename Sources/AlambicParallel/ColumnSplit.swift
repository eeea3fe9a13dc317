import AlambicKernels
import AlambicModels
import AlambicTensor
import AlambicTraining
import Foundation
import Synchronization

/// A network of linear layers split by columns over several teams in one process (Dean et al. 2012, section 3; in today's
/// words tensor parallelism): team t has some of the outputs of every layer, that is rows of W, and cores of its own.
///
///     y = [x W₀ᵀ, x W₁ᵀ, …]       forward: every team gets all of x; the results are put side by side
///     dx = g₀ W₀ + g₁ W₁ + …      backward: every team's part, added in the order of the teams
///     dWₜ = gₜᵀ x                  is the team's own
///
/// The forward pass has the bits of the unsplit network, since an output's sum over the inputs is the same. So have loss
/// and the gradients of the last layer. Those of the layers before differ by rounding: dx is a sum of partial sums, each
/// over a part of the N outputs, so that |δ(dx)| <= 2 (N + T) ε |g| |W| for T teams. Results do not depend on the
/// teams' numbers of threads.
public final class ColumnSplit {
    /// How many teams there are.
    public let count: Int
    private let segments: [ColumnSegment]
    private let gradients: GradientSet
    private let context: Context

    /// - Parameters:
    ///   - parameters: the whole network's; teams use rows of them where they are.
    ///   - contexts: one for each team. Every layer must have at least one output for each.
    public init(_ classifier: Classifier, parameters: [Parameter], on contexts: [Context]) throws(ParallelError) {
        precondition(!contexts.isEmpty, "no teams")
        precondition(
            parameters.map(\.shape) == classifier.parameters.map(\.shape), "these are not the classifier's parameters")
        count = contexts.count
        context = contexts[0]
        let shapes = classifier.shapes
        let starts = Self.segments(of: classifier)
        (segments, gradients) = try kernels { () throws(KernelError) in
            var segments: [ColumnSegment] = []
            var (first, dropouts) = (0, 0)
            for (place, start) in starts.enumerated() {
                let end = place + 1 < starts.count ? starts[place + 1] : classifier.layers.count
                let layers = Array(classifier.layers[start..<end])
                segments.append(
                    try ColumnSegment(
                        layers, input: shapes[start], weight: parameters[first], bias: parameters[first + 1],
                        dropoutsBefore: dropouts, isFirst: place == 0, on: contexts))
                first += 2
                dropouts += layers.count { if case .dropout = $0 { true } else { false } }
            }
            return (segments, try GradientSet(for: parameters))
        }
    }

    /// Where segments of one linear layer start: with the dropout of its input, so that all teams drop the same, and what
    /// follows that.
    private static func segments(of classifier: Classifier) -> [Int] {
        var starts: [Int] = []
        var start = 0
        for (index, layer) in classifier.layers.enumerated() {
            switch layer {
            case .linear:
                starts.append(start)
                start = index + 1
            // Done by the team whose outputs they are, unless it comes behind a dropout, or first of all.
            case .relu: if start == index, !starts.isEmpty { start = index + 1 }
            case .dropout: break
            case .convolution, .maxPool: preconditionFailure("\(layer) cannot be split by columns")
            }
        }
        precondition(
            start == classifier.layers.count, "a dropout after the logits cannot be split by columns")
        return starts
    }

    /// The logits [rows, classes] without dropout.
    public func logits(of images: Tensor) throws(ParallelError) -> Tensor {
        try kernels { () throws(KernelError) in
            var value = images
            for segment in segments { value = try segment.forward(value, seed: 0, stream: 0, dropout: false) }
            return value
        }
    }

    /// The mean loss of a batch and its gradients, which stay until the next call.
    public func gradient(
        images: Tensor, labels: [Int32], seed: UInt64 = 0, stream: UInt64 = 0
    ) throws(ParallelError) -> (loss: Double, gradients: GradientSet) {
        precondition(images.rows == labels.count, "\(labels.count) labels for \(images.shape)")
        return try kernels { () throws(KernelError) in
            var value = images
            for segment in segments {
                value = try segment.forward(value, seed: seed, stream: stream, dropout: true)
            }
            let tape = try Tape([], on: context)
            try tape.begin(seed: 0)
            let logits = tape.input(value)
            let losses = try HardTargets().losses(of: logits, labels: labels, scale: 1, on: tape)
            try tape.backward()
            var gradient = tape.gradient(of: logits)
            for (place, segment) in segments.enumerated().reversed() {
                guard let known = gradient else { preconditionFailure("no gradient of layer \(place)'s results") }
                gradient = try segment.backward(
                    known, weight: gradients.tensors[2 * place], bias: gradients.tensors[2 * place + 1])
            }
            return (losses.mean, gradients)
        }
    }
}
