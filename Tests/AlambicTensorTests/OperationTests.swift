import AlambicKernels
import AlambicTestSupport
import Testing

@testable import AlambicTensor

/// Values and gradients of every operation of the tape, against definitions in double precision.
@Suite struct OperationTests {
    @Test(arguments: instructionSets, [(1, 1, 1), (3, 5, 7), (17, 16, 33), (34, 19, 8)])
    func linear(isa: ISA, shape: (rows: Int, outputs: Int, inputs: Int)) throws {
        var random = SplitMix(seed: 1)
        let (m, n, k) = shape
        for biased in [true, false] {
            let weights: (Shape, [Float]) = ([n, k], random.floats(n * k))
            let bias: (Shape, [Float]) = ([n], random.floats(n))
            try expectGradients(
                "linear", inputs: [([1, m, k], random.floats(m * k))],
                parameters: biased ? [weights, bias] : [weights], depth: max(k, m, n) + 2, seed: 1, on: context(isa)
            ) { tape, x in
                try tape.linear(
                    x[0], weight: ParameterID(index: 0), bias: biased ? ParameterID(index: 1) : nil)
            } naive: { x, p in
                Naive.linear(x[0], p[0], biased ? p[1] : nil, rows: m, inputs: k)
            }
        }
    }

    @Test(arguments: instructionSets, [(1, 2), (3, 16), (5, 33), (70, 7)])
    func layerNorm(isa: ISA, shape: (rows: Int, columns: Int)) throws {
        var random = SplitMix(seed: 2)
        let (rows, columns) = shape
        try expectGradients(
            "layer norm", inputs: [([1, rows, columns], random.floats(rows * columns))],
            parameters: [([columns], random.floats(columns)), ([columns], random.floats(columns))],
            depth: rows + 4 * columns, seed: 2, on: context(isa)
        ) { tape, x in
            try tape.layerNorm(x[0], gain: ParameterID(index: 0), bias: ParameterID(index: 1), epsilon: 0.01)
        } naive: { x, p in
            // The float 0.01, as the tape has it.
            Naive.layerNorm(x[0], p[0], p[1], epsilon: Double(Float(0.01)))
        }
    }

    @Test(arguments: instructionSets) func gelu(isa: ISA) throws {
        var random = SplitMix(seed: 3)
        try expectGradients(
            "gelu", inputs: [([2, 3, 11], random.floats(66, in: -6...6))], depth: 16, seed: 3, on: context(isa)
        ) { tape, x in
            try tape.gelu(x[0])
        } naive: { x, _ in
            Naive.gelu(x[0])
        }
    }

    @Test(arguments: instructionSets) func addAndReuse(isa: ISA) throws {
        // x is used three times: its gradients have to add up.
        var random = SplitMix(seed: 4)
        try expectGradients(
            "a + b + a", inputs: [([1, 3, 7], random.floats(21)), ([1, 3, 7], random.floats(21))], depth: 16, seed: 4,
            on: context(isa)
        ) { tape, x in
            try tape.add(try tape.gelu(try tape.add(x[0], x[1])), x[0])
        } naive: { x, _ in
            zip(Naive.gelu(zip(x[0], x[1]).map { $0 + $1 }), x[0]).map { $0 + $1 }
        }
        try expectGradients(
            "a + a", inputs: [([1, 3, 7], random.floats(21))], depth: 4, seed: 5, on: context(isa)
        ) { tape, x in
            try tape.add(x[0], x[0])
        } naive: { x, _ in
            x[0].map { 2 * $0 }
        }
    }

    @Test(arguments: instructionSets, [(1, 1, 1, 4), (2, 5, 2, 8), (1, 33, 3, 5), (2, 18, 1, 16)])
    func attention(isa: ISA, shape: (batch: Int, length: Int, heads: Int, headWidth: Int)) throws {
        var random = SplitMix(seed: 6)
        let (batch, length, heads, headWidth) = shape
        let width = heads * headWidth
        try expectGradients(
            "attention with \(heads) heads",
            inputs: [([batch, length, 3 * width], random.floats(batch * length * 3 * width))],
            depth: 4 * (length + headWidth), seed: 6, on: context(isa)
        ) { tape, x in
            try tape.causalAttention(x[0], heads: heads, layer: 0)
        } naive: { x, _ in
            Naive.attention(x[0], batch: batch, length: length, heads: heads)
        }
    }

    @Test(arguments: instructionSets) func embedding(isa: ISA) throws {
        var random = SplitMix(seed: 7)
        let (vocabulary, width, length, batch) = (9, 19, 7, 3)
        // Few different tokens, so that many add to the same row.
        let ids = random.integers(batch * length, in: Int32(0)...3)
        try expectGradients(
            "embedding", inputs: [],
            parameters: [
                ([vocabulary, width], random.floats(vocabulary * width)),
                ([length + 2, width], random.floats((length + 2) * width)),
            ],
            depth: batch * length, seed: 7, on: context(isa)
        ) { tape, _ in
            try tape.embedding(
                Tokens(ids: ids, batch: batch, length: length), table: ParameterID(index: 0),
                positions: ParameterID(index: 1))
        } naive: { _, p in
            Naive.embedding(ids, p[0], p[1], width: width, length: length)
        }
    }

    @Test(arguments: [Float(0), 0.25, 0.9]) func dropout(rate: Float) throws {
        var random = SplitMix(seed: 8)
        let values = random.floats(1000, in: 1...2)
        let tape = try Tape([], on: .default)
        try tape.begin(seed: 3, stream: 5)
        let x = tape.place(try Tensor([1, 10, 100], values))
        let y = try tape.dropout(x, rate: rate)
        let direction = random.floats(1000)
        try tape.seed(try Tensor([1000], direction), of: y)
        try tape.backward()
        // What the mask did to x must happen to the gradient.
        let factors = zip(y.value.elements, values).map { $0 == 0 ? 0 : $0 / $1 }
        let gradient = try #require(tape.gradient(of: x)).elements
        let kept = factors.count { $0 != 0 }
        #expect(rate > 0 ? kept < 1000 : kept == 1000)
        for i in 0..<1000 {
            let expected = direction[i] * factors[i]
            #expect(abs(gradient[i] - expected) <= abs(expected) * 0x1p-21, "element \(i) at rate \(rate)")
        }
    }

    @Test func dropoutsDifferByPlaceAndStreamAndAreOffWhenAsked() throws {
        let ones = try Tensor([1, 1, 512], [Float](repeating: 1, count: 512))
        let tape = try Tape([], on: .default)
        func masks(stream: UInt64, on: Bool = true) throws -> [[Float]] {
            try tape.begin(seed: 1, stream: stream, dropout: on)
            let x = tape.place(ones)
            return [try tape.dropout(x, rate: 0.5).value.elements, try tape.dropout(x, rate: 0.5).value.elements]
        }
        let first = try masks(stream: 0)
        #expect(first[0] != first[1])
        #expect(try masks(stream: 0) == first)
        #expect(try masks(stream: 1)[0] != first[0])
        #expect(try masks(stream: 1, on: false) == [ones.elements, ones.elements])
    }
}
