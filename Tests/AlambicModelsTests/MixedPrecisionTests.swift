import AlambicKernels
import AlambicTensor
import AlambicTestSupport
import Testing

@testable import AlambicModels

/// Training steps in bf16, with recomputation and with noted kernels, against the plain f32 step.
@Suite struct MixedPrecisionTests {
    private func model(dropout: Double = 0) throws -> Model {
        try randomModel(.gpt(layers: 3, width: 48, heads: 3, context: 40, vocabulary: 101), deviation: 0.08)
            .withDropout(dropout)
    }

    private struct Step {
        var loss: Double
        var gradients: [[Float]]
    }

    private func step(
        _ model: Model, _ dtype: TrainingDType, _ recomputation: Recomputation = .none,
        _ execution: Execution.Kind = .immediate, on context: Context, times: Int = 1
    ) throws -> Step {
        var random = SplitMix(seed: 4)
        let ids = random.integers(3 * 33, in: Int32(0)...100)
        let targets = random.integers(3 * 33, in: Int32(-1)...100)
        let tape = try Tape(
            model.trainableParameters(), dtype: dtype, recomputation: recomputation, execution: execution, on: context)
        var loss = 0.0
        for _ in 0..<times {
            try tape.begin(seed: 2, stream: 9, gradients: .replace)
            let hidden = try model.architecture.hidden(Tokens(ids: ids, batch: 3, length: 33), on: tape)
            loss = try tape.languageModelLoss(hidden: hidden, head: model.architecture.head, targets: targets)
            try tape.backward()
        }
        return Step(loss: loss, gradients: tape.gradients.tensors.map(\.elements))
    }

    @Test func roundsAndNothingElse() throws {
        let model = try model()
        for isa in [ISA.portable, .avx2, .all] {
            let context = try Context(threads: 2, allowing: isa)
            let exact = try step(model, .f32, on: context)
            let mixed = try step(model, .bf16, on: context)
            // Rounding to bf16 is a relative 2^-9, of independent sign; about 8 roundings on the way through each of
            // three blocks and back add up like a random walk, and the gradients of a mean of log-probabilities are
            // sums of terms that partly cancel: 16 times that walk of the norm is far below any mistake's size.
            let bound = 16 * 0x1p-9 * (2.0 * 3 * 8).squareRoot()
            #expect(abs(mixed.loss - exact.loss) < 0x1p-9 * 8 * exact.loss, "\(isa): \(mixed.loss), \(exact.loss)")
            for (index, parameter) in model.architecture.parameters.enumerated() {
                let (a, b) = (mixed.gradients[index], exact.gradients[index])
                let difference = zip(a, b).reduce(0.0) { $0 + Double($1.0 - $1.1) * Double($1.0 - $1.1) }.squareRoot()
                let norm = b.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
                // The gradient of the keys' biases is zero but for rounding, so that part is measured by the others'.
                #expect(difference <= bound * norm, "\(parameter.path), \(isa): \(difference) of \(norm)")
            }
        }
    }

    /// Against the bf16 step, which differs in nothing but the two roundings to 8 bits in each product.
    @Test func int8RoundsAndNothingElse() throws {
        let model = try model()
        for isa in [ISA.portable, .avx2, .all] {
            let context = try Context(threads: 2, allowing: isa)
            let exact = try step(model, .bf16, on: context)
            let mixed = try step(model, .int8Mixed, on: context)
            // A step of a row's grid is its greatest element / 127, at most 4 standard deviations / 127 in rows of up to
            // 192 nearly normal elements, and rounding is off by 1 / sqrt(12) of it: 0.9 % of an element's size. Both
            // operands of four products in each of three blocks, forward and back, are rounded: 48 errors of
            // independent sign, of which a product's sum keeps the relative size. Twice their walk is the bound.
            let bound = 2 * 4 / 127 / 12.0.squareRoot() * 48.0.squareRoot()
            #expect(abs(mixed.loss - exact.loss) < 0.01 * exact.loss, "\(isa): \(mixed.loss), \(exact.loss)")
            #expect(mixed.loss != exact.loss)
            for (index, parameter) in model.architecture.parameters.enumerated() {
                let (a, b) = (mixed.gradients[index], exact.gradients[index])
                let difference = zip(a, b).reduce(0.0) { $0 + Double($1.0 - $1.1) * Double($1.0 - $1.1) }.squareRoot()
                let norm = b.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
                #expect(difference <= bound * norm, "\(parameter.path), \(isa): \(difference) of \(norm)")
            }
        }
    }

    /// Forward nothing is rounded. What waits is, to 11 bits: inputs of weight gradients, gelu's argument, and what attention
    /// computes its probabilities from.
    @Test func f16RoundsWhatWaits() throws {
        let model = try model()
        for isa in [ISA.portable, .avx2, .all] {
            let context = try Context(threads: 2, allowing: isa)
            let exact = try step(model, .f32, on: context)
            let stored = try step(model, .f16, on: context)
            #expect(stored.loss == exact.loss, "\(isa)")
            // As in `roundsAndNothingElse`, with roundings of 2^-12 relative.
            let bound = 16 * 0x1p-12 * (2.0 * 3 * 8).squareRoot()
            var differing = 0
            for (index, parameter) in model.architecture.parameters.enumerated() {
                let (a, b) = (stored.gradients[index], exact.gradients[index])
                let difference = zip(a, b).reduce(0.0) { $0 + Double($1.0 - $1.1) * Double($1.0 - $1.1) }.squareRoot()
                let norm = b.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
                #expect(difference <= bound * norm, "\(parameter.path), \(isa): \(difference) of \(norm)")
                if difference > 0 { differing += 1 }
            }
            #expect(differing > 0, "\(isa): nothing was rounded")
        }
    }

    /// A product's epilogue applies gelu before it rounds, computing it again does so after: in bf16 the input of one weight
    /// gradient then differs by a rounding. In f16 so do those of all that was stored and is now computed again. Everything
    /// else is the same, bit for bit.
    @Test(arguments: TrainingDType.allCases) func recomputationChangesNothing(dtype: TrainingDType) throws {
        let model = try model(dropout: 0.1)
        let kept = try step(model, dtype, .none, on: .default)
        for recomputation in Recomputation.allCases {
            for execution in [Execution.Kind.immediate, .noted] {
                let other = try step(model, dtype, recomputation, execution, on: .default, times: 3)
                #expect(other.loss == kept.loss, "\(recomputation)")
                for (index, parameter) in model.architecture.parameters.enumerated() {
                    let (a, b) = (other.gradients[index], kept.gradients[index])
                    let rounded =
                        dtype == .f16
                        ? parameter.path.hasSuffix("c_proj.weight") || parameter.path.hasSuffix("c_fc.weight")
                            || parameter.path.hasSuffix("c_attn.weight")
                        : dtype != .f32 && parameter.path.hasSuffix("mlp.c_proj.weight")
                    if recomputation == .norms, rounded {
                        let excess = worstExcess(a, expected: b.map(Double.init)) { _ in
                            2 * 0x1p-8 * Double(b.map(abs).max() ?? 0)
                        }
                        #expect(excess == nil, "\(parameter.path)")
                    } else {
                        #expect(firstDifference(a, b) == nil, "\(parameter.path), \(recomputation), \(execution)")
                    }
                }
            }
        }
    }

    @Test(arguments: TrainingDType.allCases) func threadsGiveTheSameBits(dtype: TrainingDType) throws {
        let model = try model(dropout: 0.1)
        for isa in [ISA.portable, .avx2, .all] {
            let one = try step(model, dtype, .none, .noted, on: Context(threads: 1, allowing: isa))
            for threads in 2...4 {
                let several = try step(model, dtype, .none, .noted, on: Context(threads: threads, allowing: isa))
                #expect(several.loss == one.loss, "\(threads) threads, \(isa)")
                for (a, b) in zip(several.gradients, one.gradients) { #expect(firstDifference(a, b) == nil) }
            }
        }
    }

    @Test func planIsWhatStepsTake() throws {
        let model = try model()
        var bytes: [Recomputation: Int] = [:]
        for recomputation in Recomputation.allCases {
            let tape = try Tape(
                model.trainableParameters(), dtype: .bf16, recomputation: recomputation, execution: .noted, on: .default
            )
            let ids = [Int32](repeating: 1, count: 3 * 33)
            func forward() throws(KernelError) {
                try tape.begin(seed: 2, gradients: .replace)
                let hidden = try model.architecture.hidden(Tokens(ids: ids, batch: 3, length: 33), on: tape)
                _ = try tape.languageModelLoss(hidden: hidden, head: model.architecture.head, targets: ids)
            }
            bytes[recomputation] = try tape.planned(forward)
            let made = tape.allocations
            for _ in 0..<3 {
                try forward()
                try tape.backward()
            }
            #expect(tape.allocations == made, "\(recomputation)")
        }
        let (none, norms, blocks) = (bytes[.none] ?? 0, bytes[.norms] ?? 0, bytes[.blocks] ?? 0)
        #expect(blocks < norms && norms < none, "\(bytes)")
    }
}
