import AlambicKernels
import AlambicModels
import AlambicTensor

/// Which matrices can change their type before the loss grows too much; see ``Compressor``.
struct TypeSearch {
    /// Another type for a matrix.
    struct Alternative {
        let scheme: any QuantizationScheme
        /// As a fraction of what it would replace.
        let time: Double
        /// Of the weights, relative and squared.
        let error: Double
    }

    /// The best model so far, within the limit.
    private(set) var model: Model
    /// Its loss; nil while nothing was changed.
    private(set) var accepted: Double?
    /// How many matrices it has changed.
    private(set) var changed = 0
    private var alternatives: [Int: [Alternative]]
    private let limit: Double
    private let loss: (Model) throws -> Double
    private let context: Context
    private let progress: (String) throws -> Void

    init(
        _ model: Model, _ alternatives: [Int: [Alternative]], limit: Double, loss: @escaping (Model) throws -> Double,
        on context: Context, progress: @escaping (String) throws -> Void
    ) {
        (self.model, self.alternatives, self.limit, self.loss) = (model, alternatives, limit, loss)
        (self.context, self.progress) = (context, progress)
    }

    mutating func run() throws {
        while true {
            let open = alternatives.compactMap { index, list in list.first.map { (index, $0) } }
                .sorted { ($0.1.error, $0.0) < ($1.1.error, $1.0) }
            guard !open.isEmpty else { return }
            let taken = try longestPrefix(open)
            changed += taken
            for (place, (index, _)) in open.enumerated() {
                if place < taken { alternatives[index] = [] } else { alternatives[index]?.removeFirst() }
            }
        }
    }

    /// Changes as many of `open`, from the first on, as a search by halves finds to be within the limit.
    private mutating func longestPrefix(_ open: [(Int, Alternative)]) throws -> Int {
        let start = model
        var (low, high, next) = (0, open.count, open.count)
        while low < high {
            try progress("loss with \(changed + next) matrices of other types")
            let candidate = try changing(start, open.prefix(next))
            let found = try loss(candidate)
            if found <= limit {
                (model, accepted, low) = (candidate, found, next)
            } else {
                high = next - 1
            }
            next = (low + high + 1) / 2
        }
        return low
    }

    private func changing(_ model: Model, _ some: ArraySlice<(Int, Alternative)>) throws -> Model {
        var weights = model.weights
        for (index, alternative) in some {
            let other = try alternative.scheme.quantize(weights[index], on: context)
            weights[index] = weights[index].isSparse ? try other.sparse() : other
        }
        return model.replacing(weights: weights)
    }
}
