import AlambicKernels
import AlambicTestSupport
import Testing

@testable import AlambicTensor

/// How tapes treat memory, parameters and each other.
@Suite struct TapeTests {
    private let width = 48

    private func parameters(seed: UInt64 = 1) throws -> [Parameter] {
        var random = SplitMix(seed: seed)
        let shapes: [Shape] = [
            [32, width], [40, width], [width], [width], [3 * width, width], [3 * width], [width, width],
        ]
        return try makeParameters(shapes.map { ($0, random.floats($0.count, in: -0.2...0.2)) })
    }

    /// One layer of attention with everything around it.
    @discardableResult
    private func step(_ tape: Tape, batch: Int = 3, length: Int = 37, stream: UInt64 = 0) throws -> Double {
        func id(_ i: Int) -> ParameterID { ParameterID(index: i) }
        var random = SplitMix(seed: stream + 5)
        let ids = random.integers(batch * length, in: Int32(0)...31)
        var x = try tape.embedding(Tokens(ids: ids, batch: batch, length: length), table: id(0), positions: id(1))
        x = try tape.dropout(x, rate: 0.1)
        var y = try tape.layerNorm(x, gain: id(2), bias: id(3), epsilon: 1e-5)
        y = try tape.causalAttention(try tape.linear(y, weight: id(4), bias: id(5)), heads: 4, layer: 0)
        y = try tape.gelu(try tape.linear(y, weight: id(6), bias: nil))
        x = try tape.add(x, try tape.dropout(y, rate: 0.2))
        let loss = try tape.languageModelLoss(hidden: x, head: id(0), targets: ids)
        try tape.backward()
        return loss
    }

    @Test(arguments: instructionSets) func threadsGiveTheSameBits(isa: ISA) throws {
        var expected: (loss: Double, gradients: [Float])?
        for threads in threadCounts {
            let tape = try Tape(parameters(), on: context(isa, threads: threads))
            try tape.begin(seed: 4)
            let loss = try step(tape)
            let gradients = tape.gradients.flat.elements
            if let expected {
                #expect(loss == expected.loss, "\(threads) threads, \(isa)")
                #expect(firstDifference(gradients, expected.gradients) == nil, "\(threads) threads, \(isa)")
            }
            expected = (loss, gradients)
        }
    }

    @Test func steadyStateAllocatesNothing() throws {
        let tape = try Tape(parameters(), on: .default)
        var counts: [Int] = []
        for i in 0..<5 {
            try tape.begin(seed: 1, stream: UInt64(i))
            try step(tape, stream: UInt64(i))
            counts.append(tape.allocations)
        }
        #expect(counts[1...].allSatisfy { $0 == counts[1] }, "tensors allocated after each step: \(counts)")
    }

    @Test func gradientsAddUpOrAreFresh() throws {
        let parameters = try parameters()
        let tape = try Tape(parameters, on: .default)
        try tape.begin(seed: 1)
        try step(tape)
        let once = tape.gradients.flat.elements
        let other = try GradientSet(for: parameters)
        tape.gradients = other
        try tape.begin(seed: 1)
        try step(tape)
        #expect(firstDifference(other.flat.elements, once) == nil)
        try tape.begin(seed: 1)
        try step(tape)
        for (i, (twice, first)) in zip(other.flat.elements, once).enumerated() {
            // Sums that start from the first gradient round differently from those that start from zero.
            #expect(abs(twice - 2 * first) <= 1e-4 * max(0.01, abs(first)), "element \(i): \(twice), once \(first)")
        }
        other.zero()
        #expect(other.flat.elements.allSatisfy { $0 == 0 })
    }

    @Test func valuesThatAreHeldAreNotOverwritten() throws {
        let tape = try Tape(parameters(), on: .default)
        try tape.begin(seed: 1)
        let x = tape.place(try Tensor([1, 1, 3], [1, 2, 3]))
        let held = try tape.add(x, x)
        for _ in 0..<3 {
            try tape.begin(seed: 1)
            let y = tape.place(try Tensor([1, 1, 3], [7, 8, 9]))
            _ = try tape.add(y, y)
        }
        #expect(held.value.elements == [2, 4, 6])
    }

    @Test func replicasShareParameters() throws {
        let parameters = try parameters()
        let alone = try Tape(parameters, on: .default)
        try alone.begin(seed: 1, stream: 3)
        try step(alone, stream: 3)
        let tapes = try (0..<2).map { _ in try Tape(parameters, on: Context(threads: 1)) }
        for (i, tape) in tapes.enumerated() {
            try tape.begin(seed: 1, stream: UInt64(2 + i), refreshing: false)
            try step(tape, stream: UInt64(2 + i))
        }
        #expect(firstDifference(tapes[1].gradients.flat.elements, alone.gradients.flat.elements) == nil)
        let sum = try GradientSet(for: parameters)
        try sum.accumulate(tapes[0].gradients, on: .default)
        try sum.accumulate(tapes[1].gradients, on: .default)
        let expected = zip(tapes[0].gradients.flat.elements, tapes[1].gradients.flat.elements).map { $0 + $1 }
        #expect(firstDifference(sum.flat.elements, expected) == nil)
        let norm = expected.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
        #expect(abs(try sum.norm(on: .default) - norm) <= 1e-12 * norm)
    }

    private final class Mask: WeightTransform {
        let mask: [Float]
        init(_ mask: [Float]) { self.mask = mask }
        var digest: String { "\(mask)" }

        func effective(of parameter: Parameter, on context: Context) throws(KernelError) -> Tensor {
            let masked = zip(parameter.value.elements, mask).map { $0 * $1 }
            return try Tensor(parameter.value.shape, masked)
        }

        func pullBack(gradient: Tensor, of parameter: Parameter, on context: Context) throws(KernelError) {
            gradient.copy(from: try Tensor(gradient.shape, zip(gradient.elements, mask).map { $0 * $1 }))
        }
    }

    @Test func transformsStandBetweenWeightsAndForwardPass() throws {
        let masked = try parameters()
        let plain = try parameters()
        let mask = (0..<masked[4].value.count).map { Float($0 % 3 == 0 ? 0 : 1) }
        masked[4].transform = Mask(mask)
        plain[4].value.copy(
            from: try Tensor([mask.count], zip(plain[4].value.elements, mask).map { $0 * $1 }))
        let (a, b) = (try Tape(masked, on: .default), try Tape(plain, on: .default))
        try a.begin(seed: 1)
        try b.begin(seed: 1)
        #expect(try step(a) == step(b))
        for i in masked.indices where i != 4 {
            #expect(firstDifference(a.gradients.tensors[i].elements, b.gradients.tensors[i].elements) == nil)
        }
        let expected = zip(b.gradients.tensors[4].elements, mask).map { $0 * $1 }
        #expect(firstDifference(a.gradients.tensors[4].elements, expected) == nil)
    }
}
