import AlambicKernels
import AlambicTestSupport
import Testing

@testable import AlambicTensor

/// Graphs that GPT-2 does not have: activations that go two ways, blocks of other shapes, transforms that come and go.
@Suite struct TapeGraphTests {
    private func id(_ i: Int) -> ParameterID { ParameterID(index: i) }
    private func parameters() throws -> [Parameter] {
        var random = SplitMix(seed: 1)
        let shapes: [Shape] = [[32, 16], [40, 16], [16], [16], [16, 16]]
        return try makeParameters(shapes.map { ($0, random.floats($0.count, in: -1...1)) })
    }
    private func input(_ tape: Tape) throws -> Variable {
        try tape.embedding(
            Tokens(ids: [1, 2, 3, 4, 5, 6], batch: 2, length: 3), table: id(0), positions: id(1))
    }
    // A block that ends with gelu.
    private func blockGradient(_ r: Recomputation) throws -> [Float] {
        let tape = try Tape(parameters(), recomputation: r, on: .default)
        try tape.begin(seed: 1)
        let x = try input(tape)
        let y = try tape.block(x) { x, t throws(KernelError) in
            try t.linearGELU(x, weight: ParameterID(index: 4), bias: nil)
        }
        try tape.seed(Tensor(y.shape, [Float](repeating: 1, count: y.shape.count)), of: y)
        try tape.backward()
        return tape.gradients.flat.elements
    }
    @Test func blockEndingWithGELU() throws {
        let (a, b) = (try blockGradient(.none), try blockGradient(.blocks))
        #expect(firstDifference(a, b) == nil)
    }
    // A block whose result is its argument's own and used outside as well.
    private func identityGradient(_ r: Recomputation) throws -> [Float] {
        let tape = try Tape(parameters(), recomputation: r, on: .default)
        try tape.begin(seed: 1)
        let x = try input(tape)
        let y = try tape.block(x) { x, t throws(KernelError) in try t.dropout(x, rate: 0) }
        let z = try tape.add(y, x)
        try tape.seed(Tensor(z.shape, [Float](repeating: 1, count: z.shape.count)), of: z)
        try tape.backward()
        return tape.gradients.flat.elements
    }
    @Test func identityBlock() throws {
        let (a, b) = (try identityGradient(.none), try identityGradient(.blocks))
        #expect(firstDifference(a, b) == nil)
    }
    // gelu whose result goes into a norm and past it.
    private func geluNorm(_ hide: Bool) throws -> [Float] {
        let tape = try Tape(parameters(), on: .default)
        try tape.begin(seed: 1)
        let x = try input(tape)
        var y = try tape.gelu(x)
        if hide {
            // The same through an operation that has a slot without a preactivation.
            let zero = try tape.place(Tensor(y.shape))
            y = try tape.add(y, zero)
        }
        let n = try tape.layerNorm(y, gain: id(2), bias: id(3), epsilon: 1e-5)
        let z = try tape.add(n, y)
        try tape.seed(Tensor(z.shape, (0..<z.shape.count).map { Float($0 % 7) - 3 }), of: z)
        try tape.backward()
        return tape.gradients.flat.elements
    }
    @Test func geluThenNormAndPast() throws {
        let (a, b) = (try geluNorm(false), try geluNorm(true))
        let worst = zip(a, b).map { abs($0 - $1) }.max() ?? 0
        #expect(worst < 1e-3, "worst \(worst)")
    }
    final class Zero: WeightTransform, @unchecked Sendable {
        let tensor: Tensor
        init(_ s: Shape) throws { tensor = try Tensor(s) }
        var digest: String { "zero" }
        func effective(of parameter: Parameter, on context: Context) throws(KernelError) -> Tensor { tensor }
        func pullBack(gradient: Tensor, of parameter: Parameter, on context: Context) throws(KernelError) {}
    }
    @Test func panelsAfterTransformIsTakenAway() throws {
        let ps = try parameters()
        let tape = try Tape(ps, dtype: .bf16, on: .default)
        func loss() throws -> Double {
            try tape.begin(seed: 1)
            let y = try tape.layerNorm(try input(tape), gain: id(2), bias: id(3), epsilon: 1e-5)
            return try tape.languageModelLoss(hidden: y, head: id(0), targets: [1, 2, 3, 4, 5, 6])
        }
        let before = try loss()
        // The head's weights are the table, which the norm sees too: only what the head does matters.
        ps[0].transform = try Zero(ps[0].value.shape)
        let masked = try loss()
        ps[0].transform = nil
        let after = try loss()
        #expect(masked != before)
        #expect(after == before, "\(before) \(masked) \(after)")
    }
}
