import AlambicKernels
import AlambicModels
import AlambicOptimizers
import AlambicTensor
import AlambicTokenizers
import AlambicTraining
import Foundation
import Testing

@testable import AlambicPruning

private func corpus() throws -> Corpus {
    let line = Array("peter piper picked a peck of pickled peppers; ".utf8)
    return try Corpus(text: (0..<3000).map { line[($0 * ($0 / 83 + 1)) % line.count] }, tokenizer: .bytes)
}

private func trainer(threads: Int = 2, dtype: TrainingDType = .f32) throws -> Trainer {
    try Trainer(
        try Model(.gpt(layers: 2, width: 32, heads: 2, context: 16, dropout: 0), seed: 1),
        optimizer: .adamW(rate: 3e-3, weightDecay: 0.1), dtype: dtype, on: try Context(threads: threads))
}

private func batches() throws -> Batches { try corpus().batches(of: 4, context: 16, seed: 1) }

/// Losses of 20 steps with a mask, from the same weights.
private func losses(
    _ products: MaskedProducts, threads: Int = 2, dtype: TrainingDType = .f32
) throws -> (losses: [Double], trainer: Trainer) {
    let trainer = try trainer(threads: threads, dtype: dtype)
    try Pruner(of: trainer, by: .magnitude, products: products).prune(to: .unstructured(0.95))
    var losses: [Double] = []
    try trainer.run(try batches(), until: 20) { losses.append($0.loss) }
    return (losses, trainer)
}

@Suite struct SparseTrainingTests {
    @Test(arguments: [.all, .forward, .inputGradient, .weightGradient] as [SparseProducts])
    func lossesAreThoseOfDenseProducts(products: SparseProducts) throws {
        let (dense, _) = try losses(.dense)
        let (sparse, trainer) = try losses(.sparse(products))
        #expect(dense.count == 20 && dense[19] < dense[0])
        // Roundings differ by some 1e-7 a step; a wrong gradient changes the third digit at once.
        for (step, (a, b)) in zip(dense, sparse).enumerated() {
            #expect(abs(a - b) < 1e-4 * a, "\(products), step \(step): \(b) sparse, \(a) dense")
            // Only dW is summed in another order.
            if !products.contains(.weightGradient) { #expect(a == b, "\(products), step \(step)") }
        }
        for parameter in trainer.parameters {
            guard let mask = parameter.transform as? Mask else { continue }
            #expect(parameter.sparse?.products == products, "\(parameter.path)")
            let weights = parameter.value.elements
            for place in weights.indices where !mask.keeps(place / mask.columns, place % mask.columns) {
                #expect(weights[place].bitPattern == 0, "\(parameter.path)[\(place)]")
            }
        }
    }

    @Test func theNumberOfThreadsChangesNoBit() throws {
        let (first, one) = try losses(.sparse(.all), threads: 1)
        for threads in [2, 3] {
            let (again, other) = try losses(.sparse(.all), threads: threads)
            #expect(again == first)
            for (a, b) in zip(one.parameters, other.parameters) { #expect(a.value.elements == b.value.elements) }
        }
    }

    @Test func aCheckpointResumesToTheBitWithTheSameProducts() throws {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("sparse-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        let first = try trainer()
        try Pruner(of: first, by: .magnitude, products: .sparse(.all)).prune(to: .unstructured(0.9))
        try first.run(try batches(), until: 3)
        try first.save(to: path)
        let second = try trainer()
        for (from, to) in zip(first.parameters, second.parameters) { to.transform = from.transform }
        let error = #expect(throws: TrainingError.self) { try second.resume(from: path) }
        #expect("\(try #require(error))".contains("sparse.h.0.attn.c_attn.weight"), "\(String(describing: error))")
        for (from, to) in zip(first.parameters, second.parameters) {
            guard let mask = from.transform as? Mask else { continue }
            try mask.skipZeros(of: to, in: .all, on: second.context)
        }
        try second.resume(from: path)
        for trainer in [first, second] { try trainer.run(try batches(), until: 8) }
        for (a, b) in zip(first.parameters, second.parameters) { #expect(a.value.elements == b.value.elements) }
    }

    @Test func whatCannotPayIsDense() throws {
        // Small matrices are not measured; neither is bf16, whatever is asked for.
        for (products, dtype) in [(MaskedProducts.measured, TrainingDType.f32), (.sparse(.all), .bf16)] {
            let trainer = try trainer(dtype: dtype)
            let pruner = Pruner(of: trainer, by: .magnitude, products: products)
            try pruner.prune(to: .unstructured(0.95))
            #expect(pruner.sparseProducts.count == 8)
            #expect(pruner.sparseProducts.allSatisfy { $0.products.isEmpty })
        }
        var times = ProductTimes(on: try Context(threads: 1))
        let value = try Tensor([128, 256])
        let parameter = Parameter(path: "w", kind: .matrix, value: value)
        let keepsAll = try Mask(rows: 128, columns: 256, keeps: [Bool](repeating: true, count: 128 * 256))
        #expect(try times.worthwhile(for: keepsAll, of: parameter, tokens: 64).isEmpty)
        // What is chosen for a shape is measured once.
        let keepsFew = try Mask(rows: 128, columns: 256, keeps: (0..<128 * 256).map { $0 % 50 == 0 })
        let chosen = try times.worthwhile(for: keepsFew, of: parameter, tokens: 64)
        for _ in 0..<5 { #expect(try times.worthwhile(for: keepsFew, of: parameter, tokens: 64) == chosen) }
    }

    @Test func productsOverActivationsInF16AreSparseToo() throws {
        let (dense, _) = try losses(.dense, dtype: .f16)
        let (sparse, _) = try losses(.sparse(.all), dtype: .f16)
        for (a, b) in zip(dense, sparse) { #expect(abs(a - b) < 2e-3 * a) }
    }
}
