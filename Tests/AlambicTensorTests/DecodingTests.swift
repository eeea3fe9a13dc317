import AlambicKernels
import AlambicTestSupport
import Testing

@testable import AlambicTensor

/// Passes that are noted and run again as one parallel region, against passes that run operation by operation.
@Suite struct DecodingTests {
    private static let (vocabulary, width, positions, layers) = (23, 24, 40, 2)
    private static let perLayer = 8
    private static func id(_ index: Int) -> ParameterID { ParameterID(index: index) }
    private let head = ParameterID(index: 0)

    /// Two blocks of a transformer, matrices in f32 or int8.
    private func runnable(int8: Bool, on context: Context) throws -> [RunnableWeight] {
        let width = Self.width
        var random = SplitMix(seed: 5)
        var weights: [RunnableWeight] = []
        func add(_ shape: Shape, gathers: Bool, multiplies: Bool) throws {
            let tensor = try Tensor(shape, random.floats(shape.count))
            let quantizes = int8 && multiplies && !gathers
            weights.append(
                try RunnableWeight(
                    quantizes ? .int8(try QuantizedTensor(tensor, on: context)) : .f32(tensor), gathers: gathers,
                    multiplies: multiplies, on: context))
        }
        try add([Self.vocabulary, width], gathers: true, multiplies: true)
        try add([Self.positions, width], gathers: true, multiplies: false)
        for _ in 0..<Self.layers {
            for _ in 0..<2 { try add([width], gathers: true, multiplies: false) }
            for (rows, columns) in [(3 * width, width), (width, width), (2 * width, width)] {
                try add([rows, columns], gathers: false, multiplies: true)
            }
            try add([3 * width], gathers: true, multiplies: false)
            try add([2 * width], gathers: true, multiplies: false)
            try add([width, 2 * width], gathers: false, multiplies: true)
        }
        return weights
    }

    private func hidden(_ tokens: Tokens, on graph: Inference) throws(KernelError) -> Tensor {
        var x = try graph.embedding(tokens, table: Self.id(0), positions: Self.id(1))
        for layer in 0..<Self.layers {
            let p = 2 + layer * Self.perLayer
            var y = try graph.layerNorm(x, gain: Self.id(p), bias: Self.id(p + 1), epsilon: 1e-5)
            y = try graph.linear(y, weight: Self.id(p + 2), bias: Self.id(p + 5))
            y = try graph.causalAttention(y, heads: 3, layer: layer)
            x = try graph.linear(y, weight: Self.id(p + 3), bias: nil, dropout: 0.5, addedTo: x)
            y = try graph.linearGELU(x, weight: Self.id(p + 4), bias: Self.id(p + 6))
            x = try graph.linear(y, weight: Self.id(p + 7), bias: Self.id(p), dropout: 0, addedTo: x)
        }
        return x
    }

    private func inference(_ weights: [RunnableWeight], on context: Context) throws -> Inference {
        let cache = try KeyValueCache(layers: Self.layers, width: Self.width, capacity: Self.positions)
        return Inference(weights, cache: cache, on: context)
    }

    private func next(_ tokens: [Int32], _ inference: Inference) throws -> [Float] {
        try inference.next(tokens, head: head) { tokens, graph throws(KernelError) in
            try self.hidden(tokens, on: graph)
        }.elements
    }

    /// The same operation by operation.
    private func plain(_ tokens: [Int32], _ inference: Inference) throws -> [Float] {
        let states = try hidden(Tokens(tokens), on: inference)
        let logits = try inference.logits(states, rows: tokens.count - 1..<tokens.count, head: head)
        inference.commit()
        return logits.elements
    }

    @Test(arguments: [false, true]) func notedPassesHaveTheBitsOfPlainOnes(int8: Bool) throws {
        var random = SplitMix(seed: 6)
        let ids = random.integers(Self.positions, in: Int32(0)...22)
        for isa in instructionSets {
            var expected: [[Float]] = []
            for threads in threadCounts {
                let context = try context(isa, threads: threads)
                let weights = try runnable(int8: int8, on: context)
                let (noted, steps) = (try inference(weights, on: context), try inference(weights, on: context))
                // One token at a time, with some longer passes between, noted ones and those that are not.
                var (start, results) = (0, [[Float]]())
                for count in [1, 1, 3, 1, Inference.notedTokens, 1, 3, Inference.notedTokens + 1, 1, 1, 3, 1, 1] {
                    let tokens = Array(ids[start..<start + count])
                    results.append(try next(tokens, noted))
                    let difference = firstDifference(try plain(tokens, steps), results[results.count - 1])
                    #expect(difference == nil, "\(count) tokens after \(start), \(threads) threads, \(isa)")
                    start += count
                    #expect(noted.cache?.count == start)
                }
                if expected.isEmpty { expected = results }
                #expect(results == expected, "\(threads) threads, \(isa)")
                // And all at once.
                let whole = try plain(Array(ids[..<start]), try inference(weights, on: context))
                #expect(firstDifference(results[results.count - 1], whole) == nil, "\(threads) threads, \(isa)")
            }
        }
    }

    @Test func aTruncatedSequenceGoesOnAnotherWay() throws {
        let context = try Context(threads: 2)
        let weights = try runnable(int8: true, on: context)
        let inference = try inference(weights, on: context)
        for token in Int32(0)..<20 { _ = try next([token], inference) }
        for length in [12, 5, 0] {
            inference.cache?.truncate(to: length)
            let other = try self.inference(weights, on: context)
            if length > 0 { _ = try plain((0..<length).map { Int32($0) }, other) }
            for token: Int32 in [22, 21, 20] {
                #expect(firstDifference(try next([token], inference), try plain([token], other)) == nil, "\(length)")
            }
        }
    }

    @Test func theCacheCanBeFilledToItsEnd() throws {
        let context = try Context(threads: 2)
        let weights = try runnable(int8: false, on: context)
        let inference = try inference(weights, on: context)
        let ids = (0..<Int32(Self.positions)).map { $0 % 23 }
        var last: [Float] = []
        for token in ids { last = try next([token], inference) }
        #expect(inference.cache?.count == Self.positions)
        #expect(firstDifference(last, try plain(ids, try self.inference(weights, on: context))) == nil)
        inference.cache?.truncate(to: Self.positions - 3)
        #expect(firstDifference(try next(Array(ids.suffix(3)), inference), last) == nil)
    }

    @Test func aPassThatFailsLeavesTheCacheAsItWas() throws {
        let context = try Context(threads: 2)
        let weights = try runnable(int8: true, on: context)
        let (inference, other) = (try inference(weights, on: context), try inference(weights, on: context))
        for token: Int32 in [1, 2, 3] { #expect(try next([token], inference) == plain([token], other)) }
        // On its way: while it is noted, and while it runs as it is called.
        for tokens: [Int32] in [[4, 5], (0..<12).map { Int32($0) }] {
            #expect(throws: KernelError.self) {
                try inference.next(tokens, head: head) { tokens, graph throws(KernelError) in
                    _ = try self.hidden(tokens, on: graph)
                    throw KernelError(.noMemory, "a test")
                }
            }
            #expect(inference.cache?.count == 3)
        }
        // At its start: tokens that are not in the table, in a pass that is noted already, and in a new one.
        for tokens: [Int32] in [[23], [-1], [0, 23], [0, 0, -5], (13..<24).map { Int32($0) }] {
            let error = #expect(throws: KernelError.self) { try next(tokens, inference) }
            let culprit = tokens.first { $0 < 0 || $0 > 22 } ?? 0
            #expect(error.map { "\($0)" }?.contains("token \(culprit) in a table of 23 rows") == true)
            #expect(inference.cache?.count == 3)
        }
        for tokens: [Int32] in [[4], [4, 5], [6], (0..<12).map { Int32($0) }] {
            #expect(firstDifference(try next(tokens, inference), try plain(tokens, other)) == nil, "\(tokens)")
        }
    }

    @Test func aNotedPassIsOneRegion() throws {
        let context = try Context(threads: 2)
        let inference = try inference(try runnable(int8: true, on: context), on: context)
        for token: Int32 in [1, 2, 3] {
            let before = context.regionCount
            _ = try next([token], inference)
            #expect(context.regionCount == before + 1)
        }
        let before = context.regionCount
        _ = try plain([4], inference)
        // Embedding, six operations a layer, head.
        #expect(context.regionCount == before + 1 + Self.layers * 6 + 1)
        let (logits, times) = try inference.nextTimed([5], head: head) { tokens, graph throws(KernelError) in
            try self.hidden(tokens, on: graph)
        }
        let names =
            ["embedding"]
            + (0..<Self.layers).flatMap { _ in
                [
                    "layer norm", "linear 72 x 24", "attention", "linear 24 x 24", "linear 48 x 24", "linear 24 x 48",
                ]
            } + ["linear 23 x 24"]
        #expect(times.map(\.name) == names)
        let again = try self.inference(try runnable(int8: true, on: context), on: context)
        #expect(firstDifference(logits.elements, try plain([1, 2, 3, 4, 5], again)) == nil)
    }
}
