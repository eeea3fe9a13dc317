import AlambicKernels
import AlambicModels
import AlambicTensor
import Testing

@testable import AlambicTraining

/// Gradients of adapters against differences of the loss, and against the gradients of the weights that they are merged
/// into; and what rounding to bf16 does to them.
@Suite struct AdapterGradientTests {
    /// Central differences of the loss in f32 against the gradients of the adapters, over every form of the base.
    @Test(arguments: FrozenWeight.Form.allCases, Recomputation.allCases)
    func gradientsAreThoseOfTheLoss(base: FrozenWeight.Form, recomputation: Recomputation) throws {
        let adapters = LoRA(rank: 3, alpha: 6, dropout: 0.25, base: base)
        let trainer = try LoRATests.trainer(
            adapters, of: try LoRATests.model(dropout: 0.1), recomputation: recomputation)
        try LoRATests.disturb(trainer)
        let batch = try Tiny.batches(rows: 2)[0]
        let part = trainer.cut(batch)[0]
        let tape = try Tape(trainer.parameters, recomputation: recomputation, on: trainer.context)
        let loss = try trainer.objective.lossFunction(for: trainer.architecture, on: trainer.context)
        func run() throws -> Double {
            try tape.begin(seed: part.seed, stream: part.stream, gradients: .replace)
            return try loss.loss(of: part, on: tape).total
        }
        _ = try run()
        try tape.backward()
        var (worst, checked) = (0.0, 0)
        for (index, parameter) in trainer.parameters.enumerated() where parameter.trains {
            let (value, gradient) = (parameter.value, tape.gradients.tensors[index])
            for element in stride(from: index % 5, to: value.count, by: value.count / 3) {
                let (old, h) = (value.elements[element], Float(1e-2))
                func at(_ x: Float) throws -> Double {
                    set(x, at: element, of: value)
                    return try run()
                }
                let slope = (try at(old + h) - at(old - h)) / Double((old + h) - (old - h))
                set(old, at: element, of: value)
                worst = max(worst, abs(slope - Double(gradient.elements[element])))
                checked += 1
            }
        }
        // h² f''' / 6 with derivatives of order one, and losses of 6 rounded to 2^-24 over 2h.
        #expect(worst < 4e-4 && checked >= 48, "\(worst) of \(checked)")
    }

    private func set(_ x: Float, at index: Int, of tensor: Tensor) {
        var span = tensor.mutableSpan
        span[index] = x
    }

    /// With W' = W + s B A: dA = s Bᵀ dW' and dB = s dW' Aᵀ. dW' is made by layers that know nothing of adapters.
    @Test(arguments: FrozenWeight.Form.allCases, [Float(0.05), 0.2])
    func gradientsFollowFromThoseOfTheMergedWeights(base: FrozenWeight.Form, deviation: Float) throws {
        let trainer = try Self.trainer(of: LoRATests.learned.get(), base: base, deviation: deviation)
        let own = try Self.gradients(trainer).suffix(trainer.trained.count)
        let implied = Self.implied(by: try Self.gradients(try Self.merged(trainer)), for: trainer)
        // About twenty products on the way, of sums of at most 128 terms, all rounded to 24 bits with errors of random
        // sign.
        #expect(own.count == 16 && Self.distance(Array(own), implied) < (20.0 * 128).squareRoot() * 0x1p-24)
    }

    /// The gradients in other types are those of f32 but for rounding.
    @Test(arguments: FrozenWeight.Form.allCases, [TrainingDType.bf16, .f16])
    func mixedPrecisionIsCloseToF32(base: FrozenWeight.Form, dtype: TrainingDType) throws {
        for deviation: Float in [0.05, 0.2] {
            func gradients(_ dtype: TrainingDType) throws -> [[Double]] {
                let model = try LoRATests.learned.get()
                let trainer = try Self.trainer(of: model, base: base, deviation: deviation, dropout: 0.1, dtype: dtype)
                return try Self.gradients(trainer, dtype).suffix(trainer.trained.count)
            }
            let own = Self.distance(try gradients(.f32), try gradients(dtype))
            // About twenty roundings to 8 or 11 bits on the way, which add up like errors of random sign.
            #expect(own < 20.0.squareRoot() * (dtype == .bf16 ? 0x1p-8 : 0x1p-11) && own > 0, "\(own)")
        }
    }

    /// A block that runs again does what it did: the same masks, the same widened weights, the same bits. Norms that are made
    /// again are rounded otherwise where values wait in fewer bits.
    @Test(arguments: FrozenWeight.Form.allCases, TrainingDType.allCases)
    func recomputationChangesNothing(base: FrozenWeight.Form, dtype: TrainingDType) throws {
        func gradients(_ recomputation: Recomputation) throws -> [[Double]] {
            let trainer = try LoRATests.trainer(
                LoRA(rank: 4, alpha: 8, dropout: 0.25, targets: ["c_attn", "h.1"], base: base),
                of: try LoRATests.model(dropout: 0.1), dtype: dtype, recomputation: recomputation)
            try LoRATests.disturb(trainer, by: 0.05)
            return try Self.gradients(trainer, dtype, try Tiny.batches(), recomputation)
        }
        let all = try gradients(.none)
        #expect(try gradients(.blocks) == all)
        let norms = try gradients(.norms)
        let step = dtype == .f32 ? 0 : dtype == .f16 ? 0x1p-11 : 0x1p-8
        #expect(Self.distance(all, norms) <= 4 * step, "\(Self.distance(all, norms))")
    }

    /// A model of small random weights with large random adapters carries rounding errors on, tenfold and more; gradients in
    /// bf16 are then as far from those in f32 as they are for the merged model's own weights, and as those in f32 are when
    /// no more than the weights has been rounded, which goes down with the step of the rounding.
    @Test func largeRandomAdaptersAmplifyRounding() throws {
        let batches = try Tiny.batches()
        func adapted(_ dtype: TrainingDType = .f32, bits: Int? = nil) throws -> [[Double]] {
            let trainer = try Self.trainer(of: LoRATests.model(), deviation: 0.2, dtype: dtype)
            for parameter in trainer.parameters where bits != nil { Self.round(parameter.value, to: bits ?? 0) }
            return try Self.gradients(trainer, dtype, batches).suffix(trainer.trained.count)
        }
        let exact = try adapted()
        let (mixed, eight, sixteen) = (
            Self.distance(exact, try adapted(.bf16)), Self.distance(exact, try adapted(bits: 8)),
            Self.distance(exact, try adapted(bits: 16))
        )
        let trainer = try Self.trainer(of: LoRATests.model(), deviation: 0.2)
        let merged = try Self.merged(trainer)
        let ordinary = Self.distance(
            try Self.gradients(merged, .f32, batches),
            try Self.gradients(try Self.merged(trainer, dtype: .bf16), .bf16, batches))
        let all = "bf16 \(mixed), merged \(ordinary), 8 bits \(eight), 16 bits \(sixteen)"
        // One rounding moves a sum of independent products by about 2^-10 where nothing is amplified. Of the five
        // roundings of each product with an adapter (W, A, B, both sums) the merged one has two; all in all there are
        // twenty, as above.
        #expect(eight > 10 * 0x1p-10 && ordinary > 10 * 0x1p-10, "\(all)")
        #expect(mixed < 20.0.squareRoot() * max(eight, ordinary), "\(all)")
        #expect(sixteen < 4 * 0x1p-8 * eight, "\(all)")
    }

    private static func trainer(
        of model: Model, base: FrozenWeight.Form = .f32, deviation: Float, dropout: Double = 0,
        dtype: TrainingDType = .f32
    ) throws -> Trainer {
        let adapters = LoRA(rank: 4, alpha: 8, dropout: dropout, base: base)
        let trainer = try LoRATests.trainer(adapters, of: model, dtype: dtype)
        try LoRATests.disturb(trainer, by: deviation)
        return trainer
    }

    /// A trainer of all weights of the model that the adapters make of theirs.
    private static func merged(_ trainer: Trainer, dtype: TrainingDType = .f32) throws -> Trainer {
        try LoRATests.trainer(nil, of: try trainer.snapshot(), dtype: dtype)
    }

    private static func gradients(
        _ trainer: Trainer, _ dtype: TrainingDType = .f32, _ batches: Batches? = nil,
        _ recomputation: Recomputation = .none
    ) throws -> [[Double]] {
        let tape = try Tape(
            trainer.parameters, dtype: dtype, recomputation: recomputation, execution: .noted, on: trainer.context)
        let part = trainer.cut(try batches?[0] ?? LoRATests.otherBatches()[0])[0]
        try tape.begin(seed: part.seed, stream: part.stream, gradients: .replace)
        _ = try trainer.objective.lossFunction(for: trainer.architecture, on: trainer.context).loss(of: part, on: tape)
        try tape.backward()
        return tape.gradients.tensors.map { $0.elements.map(Double.init) }
    }

    /// What gradients of whole weights say about those of the adapters.
    private static func implied(by gradients: [[Double]], for trainer: Trainer) -> [[Double]] {
        zip(trainer.parameters, gradients).flatMap { parameter, g -> [[Double]] in
            guard let adapter = parameter.adapter else { return [] }
            let (outputs, inputs, rank) = (parameter.shape.rows, parameter.shape.columns, adapter.rank)
            let a = trainer.parameters[adapter.down.index].value.elements.map(Double.init)
            let b = trainer.parameters[adapter.up.index].value.elements.map(Double.init)
            var (dA, dB) = ([Double](repeating: 0, count: a.count), [Double](repeating: 0, count: b.count))
            for n in 0..<outputs {
                for k in 0..<inputs {
                    let s = Double(adapter.scale) * g[n * inputs + k]
                    for r in 0..<rank {
                        dA[r * inputs + k] += s * b[n * rank + r]
                        dB[n * rank + r] += s * a[r * inputs + k]
                    }
                }
            }
            return [dA, dB]
        }
    }

    /// The norm of the difference in units of that of the first.
    private static func distance(_ exact: [[Double]], _ other: [[Double]]) -> Double {
        func norm(_ x: [Double]) -> Double { x.reduce(0) { $0 + $1 * $1 }.squareRoot() }
        let (a, b) = (exact.flatMap { $0 }, other.flatMap { $0 })
        return a.count == b.count ? norm(zip(a, b).map { $0 - $1 }) / norm(a) : .infinity
    }

    /// Rounds to so many significant bits.
    private static func round(_ tensor: Tensor, to bits: Int) {
        let elements = tensor.elements
        var span = tensor.mutableSpan
        for (i, x) in elements.enumerated() where x != 0 {
            span[i] =
                (x / x.binade * Float(1 << (bits - 1))).rounded(.toNearestOrEven) / Float(1 << (bits - 1)) * x.binade
        }
    }
}
