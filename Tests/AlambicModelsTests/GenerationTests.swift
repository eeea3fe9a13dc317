import AlambicFiles
import AlambicKernels
import AlambicTensor
import AlambicTestSupport
import Foundation
import Testing

@testable import AlambicModels

/// Sessions, sampling and generation.
@Suite struct GenerationTests {
    private let isas: [ISA] = [.portable, .avx2, .all]

    @Test func decodingEqualsPrefillBitForBit() throws {
        let configuration = ModelConfiguration.gpt(layers: 2, width: 24, heads: 3, context: 40, vocabulary: 60)
        var random = SplitMix(seed: 1)
        let ids = random.integers(40, in: Int32(0)...59)
        let four = ModelConfiguration.gpt(layers: 1, width: 32, heads: 2, context: 40, vocabulary: 60)
        for (name, model) in try allForms(randomModel(configuration)) + allForms(randomModel(four)) {
            for isa in isas {
                let context = try Context(threads: 2, allowing: isa)
                let weights = try model.runnableWeights(on: context)
                let whole = try Session(model, weights: weights, on: context).append(ids)
                for step in [1, 7, 39] {
                    let session = try Session(model, weights: weights, on: context)
                    var last: [Float] = []
                    for start in stride(from: 0, to: ids.count, by: step) {
                        last = try session.append(Array(ids[start..<min(start + step, ids.count)]))
                    }
                    #expect(session.tokens == ids)
                    #expect(firstDifference(last, whole) == nil, "\(name), \(step) at a time, \(isa)")
                }
            }
        }
    }

    @Test func sessionsRefuseWhatDoesNotFit() throws {
        let session = try Session(try randomModel())
        #expect(throws: ModelError.noTokens) { try session.append([]) }
        #expect(throws: ModelError.tokenOutOfRange(11, vocabulary: 11)) { try session.append([1, 11]) }
        #expect(throws: ModelError.tokenOutOfRange(-1, vocabulary: 11)) { try session.append([-1]) }
        #expect(throws: ModelError.contextTooLong(tokens: 7, limit: 6)) { try session.append([1, 2, 3, 4, 5, 6, 7]) }
        _ = try session.append([1, 2, 3, 4])
        #expect(throws: ModelError.contextTooLong(tokens: 7, limit: 6)) { try session.append([5, 6, 7]) }
        // A refusal changes nothing.
        let logits = try session.append([5, 6])
        #expect(try logits == Session(session.model).append([1, 2, 3, 4, 5, 6]))
        session.reset()
        #expect(try session.append([1]) == Session(session.model).append([1]))
    }

    @Test func slidingForgetsTheOlderHalf() throws {
        let model = try randomModel()
        let session = try Session(model, contextEnd: .slide)
        _ = try session.append([1, 2, 3, 4, 5, 6])
        let logits = try session.append([7])
        #expect(session.tokens == [5, 6, 7])
        #expect(try logits == Session(model).append([5, 6, 7]))
    }

    @Test func equalSeedsGiveEqualTexts() throws {
        let model = try randomModel(.gpt(layers: 2, width: 24, heads: 3, context: 16), deviation: 0.4)
        let sampling = Sampling(temperature: 0.9, topK: 50, topP: 0.95, seed: 7)
        let first = try model.generate(after: [1, 2], tokens: 40, sampling: sampling)
        #expect(first.count == 40)
        for threads in threadCounts {
            let context = try Context(threads: threads)
            #expect(try model.generate(after: [1, 2], tokens: 40, sampling: sampling, on: context) == first)
        }
        var other = sampling
        other.seed = 8
        #expect(try model.generate(after: [1, 2], tokens: 40, sampling: other) != first)
        let greedy = try model.generate(after: [1, 2], tokens: 40, sampling: .greedy)
        #expect(try model.generate(after: [1, 2], tokens: 40, sampling: Sampling(temperature: 0, seed: 99)) == greedy)
        // A prefix of a longer text is the shorter text.
        #expect(try model.generate(after: [1, 2], tokens: 10, sampling: sampling) == Array(first[..<10]))
    }

    @Test func generationStops() throws {
        let model = try randomModel()
        #expect(try model.generate(after: [1, 2], tokens: 40, contextEnd: .stop).count == 5)
        #expect(try model.generate(after: [1, 2], tokens: 40).count == 40)
        #expect(try model.generate(after: [1], tokens: 0).isEmpty)
        var received: [Int32] = []
        let result = try model.generate(after: [1, 2], tokens: 40) { token in
            received.append(token)
            return received.count < 3
        }
        #expect(result.count == 3 && result == received)
        #expect(throws: ModelError.noTokenizer) { try model.generate(after: "a", tokens: 1) }
        let text = try Model(.gpt(layers: 1, width: 8, heads: 1, context: 8), seed: 1)
        #expect(try !text.generate(after: "To be", tokens: 12).isEmpty)
        #expect(throws: ModelError.noTokens) { try text.generate(after: "", tokens: 12) }
        #expect(throws: ModelError.self) {
            try model.generate(after: [1], tokens: 1, sampling: Sampling(temperature: -1))
        }
    }

    @Test func cancellingStopsGeneration() async throws {
        let model = try randomModel()
        let task = Task {
            try model.generate(after: [1], tokens: .max)
        }
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
    }

    @Test func distributions() throws {
        let logits: [Float] = [1, 3, 2, 3, -4]
        func tokens(_ sampling: Sampling) -> [Int32] { sampling.distribution(logits).map(\.token) }
        // Most probable first, equal ones by number.
        #expect(tokens(Sampling()) == [1, 3, 2, 0, 4])
        #expect(tokens(Sampling(topK: 3)) == [1, 3, 2])
        #expect(tokens(Sampling(topK: 99)).count == 5)
        #expect(tokens(.greedy) == [1])
        // exp: 20.1, 20.1, 7.4, 2.7, 0.02 of 50.3: 0.40, 0.80, 0.95, 0.9996, 1.
        #expect(tokens(Sampling(topP: 0.3)) == [1])
        #expect(tokens(Sampling(topP: 0.5)) == [1, 3])
        #expect(tokens(Sampling(topP: 0.9)) == [1, 3, 2])
        #expect(tokens(Sampling(topP: 1e-9)) == [1])
        for sampling in [Sampling(), Sampling(temperature: 0.3, topK: 2), Sampling(temperature: 5, topP: 0.7)] {
            let choices = sampling.distribution(logits)
            #expect(abs(choices.reduce(0) { $0 + $1.probability } - 1) < 1e-12)
            for (a, b) in zip(choices, choices.dropFirst()) {
                // Ratios are those of the softmax at this temperature, whatever was cut off.
                let ratio = exp(Double(logits[Int(b.token)] - logits[Int(a.token)]) / sampling.temperature)
                #expect(abs(b.probability / a.probability - ratio) < 1e-12)
            }
        }
        for bad in [Sampling(temperature: -1), Sampling(temperature: .nan), Sampling(topK: -1), Sampling(topP: 0)] {
            #expect(throws: ModelError.self) { try bad.validate() }
        }
    }

    @Test func logitsAreRankedAsBySorting() {
        var random = SplitMix(seed: 4)
        for count in [0, 1, 2, 3, 100, 5000] {
            var logits = random.normals(count, deviation: 3)
            // Equal ones, both zeros, both infinities and the smallest numbers.
            for i in logits.indices where i % 3 == 0 { logits[i] = (logits[i] * 2).rounded() / 2 }
            let least = Float.leastNonzeroMagnitude
            let special: [Float] = [0, -0.0, .infinity, -.infinity, least, -least, -0.0]
            for (i, x) in special.enumerated() where count > 100 { logits[i * 7] = x }
            let sorted = logits.indices.sorted { (logits[$0], $1) > (logits[$1], $0) }
            #expect(Ranking.descending(logits).map(Int.init) == sorted)
            #expect(Ranking.best(logits) == sorted.first)
        }
        #expect(Ranking.descending([.nan, 1, -.infinity, .nan, 2]) == [4, 1, 2, 0, 3])
        #expect(Ranking.best([.nan, .nan, -1, .nan, 3, 3]) == 4)
        #expect(Ranking.best([.nan, .nan]) == 0)
    }

    @Test func drawsFollowTheDistribution() throws {
        let logits: [Float] = [0, 1, 2, -1]
        let sampling = Sampling(topK: 3, seed: 3)
        let numbers = try UniformNumbers(seed: 3, on: .default)
        var counts = [Int](repeating: 0, count: 4)
        let draws = 20_000
        for i in 0..<draws { counts[Int(sampling.draw(logits, uniform: try numbers.number(i)))] += 1 }
        for (token, probability) in sampling.distribution(logits) {
            let deviation = (Double(draws) * probability * (1 - probability)).squareRoot()
            #expect(abs(Double(counts[Int(token)]) - Double(draws) * probability) < 5 * deviation)
        }
        #expect(counts[3] == 0)
        // The ends of the unit interval.
        #expect(sampling.draw(logits, uniform: 0) == 2)
        #expect(sampling.draw(logits, uniform: 1 - 0x1p-53) == 0)
    }
}
