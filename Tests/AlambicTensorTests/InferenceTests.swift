import AlambicKernels
import AlambicTestSupport
import Testing

@testable import AlambicTensor

/// Inference against the tape, and with a cache against without.
@Suite struct InferenceTests {
    private func id(_ index: Int) -> ParameterID { ParameterID(index: index) }
    private let vocabulary = 23
    private let width = 24
    private let positions = 40

    private func weights(seed: UInt64 = 1) throws -> [PackedWeight] {
        var random = SplitMix(seed: seed)
        let shapes: [Shape] = [
            [vocabulary, width], [positions, width], [width], [width], [3 * width, width], [3 * width], [width, width],
        ]
        return try shapes.map { .f32(try Tensor($0, random.floats($0.count))) }
    }

    private func runnable(_ weights: [PackedWeight], on context: Context) throws -> [RunnableWeight] {
        try weights.enumerated().map { i, weight in
            try RunnableWeight(weight, gathers: ![4, 6].contains(i), multiplies: [0, 4, 6].contains(i), on: context)
        }
    }

    private func hidden<G: Graph>(_ tokens: Tokens, on graph: G) throws(KernelError) -> G.Value {
        var x = try graph.embedding(tokens, table: id(0), positions: id(1))
        x = try graph.dropout(x, rate: 0.5)
        var y = try graph.layerNorm(x, gain: id(2), bias: id(3), epsilon: 1e-5)
        y = try graph.causalAttention(try graph.linear(y, weight: id(4), bias: id(5)), heads: 3, layer: 0)
        y = try graph.gelu(try graph.linear(y, weight: id(6), bias: nil))
        return try graph.add(x, y)
    }

    @Test(arguments: instructionSets) func equalsTheTapeBitForBit(isa: ISA) throws {
        let context = try context(isa)
        let weights = try weights()
        let parameters = try weights.map { Parameter(path: "p", kind: .matrix, value: try $0.dense()) }
        let tape = try Tape(parameters, on: context)
        try tape.begin(seed: 1, dropout: false)
        var random = SplitMix(seed: 2)
        let tokens = Tokens(ids: random.integers(3 * 19, in: Int32(0)...22), batch: 3, length: 19)
        let targets = random.integers(3 * 19, in: Int32(-1)...22)
        let inference = Inference(try runnable(weights, on: context), on: context)
        let trained = try hidden(tokens, on: tape)
        let inferred = try hidden(tokens, on: inference)
        #expect(firstDifference(inferred.elements, trained.value.elements) == nil, "\(isa)")
        let loss = try tape.languageModelLoss(hidden: trained, head: id(0), targets: targets)
        let losses = try inference.losses(inferred, head: id(0), targets: targets)
        let counted = targets.count { $0 >= 0 }
        #expect(losses.reduce(0.0) { $0 + Double($1) } / Double(counted) == loss)
    }

    @Test(arguments: instructionSets) func cacheChangesNoBit(isa: ISA) throws {
        let context = try context(isa)
        var random = SplitMix(seed: 3)
        let ids = random.integers(positions, in: Int32(0)...22)
        let dense = try weights()
        var int8 = dense
        for i in [4, 6] { int8[i] = .int8(try QuantizedTensor(try dense[i].dense(), on: context)) }
        for weights in [dense, int8] {
            let runnable = try runnable(weights, on: context)
            let whole = try hidden(Tokens(ids), on: Inference(runnable, on: context)).elements
            for step in [1, 3, 17, positions] {
                let cache = try KeyValueCache(layers: 1, width: width, capacity: positions)
                let inference = Inference(runnable, cache: cache, on: context)
                var parts: [Float] = []
                for start in stride(from: 0, to: positions, by: step) {
                    let part = Tokens(Array(ids[start..<min(start + step, positions)]))
                    // A pass that is not committed leaves no trace.
                    _ = try hidden(Tokens([5]), on: inference)
                    parts += try hidden(part, on: inference).elements
                    inference.commit()
                }
                #expect(cache.count == positions)
                let difference = firstDifference(parts, whole)
                #expect(difference == nil, "\(step) tokens at a time, \(weights[4].formName), \(isa)")
                cache.truncate(to: 10)
                let again = try hidden(Tokens(Array(ids[10...])), on: inference).elements
                #expect(firstDifference(again, Array(whole[(10 * width)...])) == nil)
            }
        }
    }

    @Test(arguments: instructionSets) func packedFormsRunAsTheirDenseSelves(isa: ISA) throws {
        let context = try context(isa)
        var random = SplitMix(seed: 4)
        let (rows, outputs, inputs) = (5, 37, 29)
        var values = random.floats(outputs * inputs)
        for i in values.indices where i % 3 != 0 { values[i] = 0 }
        let tensor = try Tensor([outputs, inputs], values)
        let quantized = try QuantizedTensor(tensor, on: context)
        let bias = try Tensor([outputs], random.floats(outputs))
        let x = try Tensor([1, rows, inputs], random.floats(rows * inputs))
        func run(_ weight: PackedWeight) throws -> [Float] {
            let inference = Inference(
                [
                    try RunnableWeight(weight, gathers: false, multiplies: true, on: context),
                    try RunnableWeight(.f32(bias), gathers: true, multiplies: false, on: context),
                ], on: context)
            return try inference.linear(x, weight: id(0), bias: id(1)).elements
        }
        let dense = try run(.f32(tensor))
        #expect(firstDifference(try run(.bitmask(try BitmaskTensor(tensor))), dense) == nil)
        let int8 = try run(.int8(quantized))
        #expect(firstDifference(try run(.bitmask(try BitmaskTensor(quantized))), int8) == nil)
        // Each product of rounded factors is off by at most half a step of each.
        let weights = try quantized.dense().elements
        for i in 0..<rows {
            let row = x.elements[i * inputs..<(i + 1) * inputs]
            let step = Double(row.map(abs).max() ?? 0) / 127
            for j in 0..<outputs {
                let w = weights[j * inputs..<(j + 1) * inputs]
                let exact = zip(row, w).reduce(Double(bias.elements[j])) { $0 + Double($1.0) * Double($1.1) }
                let bound = 0.501 * step * w.reduce(0) { $0 + Double(abs($1)) } + 1e-5
                #expect(abs(Double(int8[i * outputs + j]) - exact) <= bound, "row \(i), output \(j), \(isa)")
            }
        }
    }

    /// Each form against its dense self in double precision; a row alone, and any number of threads, give the same bits.
    @Test(arguments: instructionSets) func shortFormsRunWithinTheirRounding(isa: ISA) throws {
        var random = SplitMix(seed: 6)
        let (rows, outputs, inputs) = (5, 37, 128)
        let tensor = try Tensor([outputs, inputs], random.normals(outputs * inputs))
        let bias = try Tensor([outputs], random.floats(outputs))
        let x = try Tensor([1, rows, inputs], random.normals(rows * inputs))
        let (bf16, f16) = (try HalfTensor(tensor.shape), try HalfTensor(tensor.shape))
        try convert(tensor.span, to: .bf16, into: bf16.mutableSpan, on: .default)
        try convert(tensor.span, to: .f16, into: f16.mutableSpan, on: .default)
        // What an activation's rounding may be off by: relative to itself, or (int4) to the row's greatest.
        let forms: [(PackedWeight, relative: Double, ofGreatest: Double)] = [
            (.bf16(bf16), 0x1p-9, 0), (.f16(f16), 0x1p-11, 0),
            (.int4(try GroupedTensor(tensor, on: .default)), 0, 0.501 / 127),
            (.int4(try GroupedTensor(tensor, group: 128, on: .default)), 0, 0.501 / 127),
        ]
        for (weight, relative, ofGreatest) in forms {
            func run(_ weight: PackedWeight, _ x: Tensor, threads: Int) throws -> [Float] {
                let context = try context(isa, threads: threads)
                let inference = Inference(
                    [
                        try RunnableWeight(weight, gathers: false, multiplies: true, on: context),
                        try RunnableWeight(.f32(bias), gathers: true, multiplies: false, on: context),
                    ], on: context)
                return try inference.linear(x, weight: id(0), bias: id(1)).elements
            }
            let (found, w) = (try run(weight, x, threads: 1), try weight.dense().elements)
            for threads in 2...4 { #expect(firstDifference(try run(weight, x, threads: threads), found) == nil) }
            #expect(firstDifference(try run(try weight.sparse(), x, threads: 1), found) == nil)
            for i in 0..<rows {
                let alone = try run(weight, x.rows(i..<i + 1), threads: 1)
                #expect(firstDifference(alone, Array(found[i * outputs..<(i + 1) * outputs])) == nil)
                let row = x.elements[i * inputs..<(i + 1) * inputs].map(Double.init)
                let greatest = row.map(abs).max() ?? 0
                for j in 0..<outputs {
                    var (exact, bound) = (Double(bias.elements[j]), 1e-5)
                    for k in 0..<inputs {
                        let weight = Double(w[j * inputs + k])
                        exact += row[k] * weight
                        bound += abs(weight) * (relative * abs(row[k]) + ofGreatest * greatest)
                    }
                    #expect(abs(Double(found[i * outputs + j]) - exact) <= bound, "\(weight.formName), \(i), \(j)")
                }
            }
        }
    }
}
