import AlambicKernels
import Foundation

/// How the next token is drawn from the logits.
public struct Sampling: Sendable, Equatable {
    /// Divides the logits before the softmax; 0 takes the most probable token.
    public var temperature: Double
    /// Only the k most probable tokens; 0 for all.
    public var topK: Int
    /// Only the most probable tokens that together reach this probability, in 0..<=1 ("nucleus", Holtzman et al., 2020).
    public var topP: Double
    /// The key of the random numbers; equal seeds give equal texts.
    public var seed: UInt64

    /// Settings; by default the plain distribution of the model.
    public init(temperature: Double = 1, topK: Int = 0, topP: Double = 1, seed: UInt64 = 1) {
        self.temperature = temperature
        self.topK = topK
        self.topP = topP
        self.seed = seed
    }

    /// Always the most probable token.
    public static var greedy: Sampling { Sampling(temperature: 0) }

    /// Throws where a setting makes no sense.
    public func validate() throws(ModelError) {
        guard temperature >= 0, temperature.isFinite else {
            throw .badSampling("a temperature of \(temperature) makes no sense: use 0 or more")
        }
        guard topK >= 0 else { throw .badSampling("a top-k of \(topK) makes no sense: use 0 (all) or more") }
        guard topP > 0, topP <= 1 else {
            throw .badSampling("a top-p of \(topP) makes no sense: use more than 0 and at most 1")
        }
    }

    /// The probabilities of the tokens that may be drawn, most probable first; equal ones in order of their numbers.
    public func distribution(_ logits: [Float]) -> [(token: Int32, probability: Double)] {
        guard let best = Ranking.best(logits) else { return [] }
        guard temperature > 0 else { return [(Int32(best), 1)] }
        var order = Ranking.descending(logits)
        if topK > 0 { order = Array(order.prefix(topK)) }
        let maximum = Double(logits[best])
        var weights = order.map { exp((Double(logits[Int($0)]) - maximum) / temperature) }
        var total = weights.reduce(0, +)
        if topP < 1 {
            var sum = 0.0
            var kept = 0
            while kept < weights.count && sum < topP * total {
                sum += weights[kept]
                kept += 1
            }
            weights = Array(weights.prefix(kept))
            total = sum
        }
        return zip(order, weights).map { ($0, $1 / total) }
    }

    /// Draws a token.
    ///
    /// - Parameter uniform: a random number in 0..<1.
    public func draw(_ logits: [Float], uniform: Double) -> Int32 {
        let choices = distribution(logits)
        var sum = 0.0
        for (token, probability) in choices {
            sum += probability
            if uniform < sum { return token }
        }
        return choices.last?.token ?? 0
    }
}

/// One uniform number in 0..<1 for each index, from a counter-based generator.
struct UniformNumbers {
    private let memory: Memory<Float>
    private let seed: UInt64
    private let context: Context

    init(seed: UInt64, on context: Context) throws(KernelError) {
        memory = try Memory(count: 1)
        self.seed = seed
        self.context = context
    }

    func number(_ index: Int) throws(KernelError) -> Double {
        try uniform(seed: seed, stream: UInt64(index), into: memory.mutableSpan, on: context)
        return Double(memory.span[0])
    }
}
