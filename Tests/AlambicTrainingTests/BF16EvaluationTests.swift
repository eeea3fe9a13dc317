import AlambicKernels
import AlambicModels
import AlambicOptimizers
import AlambicTensor
import AlambicTestSupport
import Testing

@testable import AlambicTraining

/// Evaluation between steps in bf16.
@Suite struct BF16EvaluationTests {
    /// Logits in bf16 stay those of f32, up to rounding, whatever was computed before.
    @Test func logitsStayNearThoseOfF32() throws {
        let classifier = Classifier.mlp([64, 96, 80, 10], inputDropout: 0.2, hiddenDropout: 0.5)
        var random = SplitMix(seed: 3)
        let images = try Tensor([100, 64], random.floats(6400, in: 0...1))
        let labels = (0..<100).map { Int32($0 % 10) }
        let data = LabelledImages(images: images, labels: labels, shape: classifier.input)
        let trainer = try ClassifierTrainer(
            classifier, optimizer: .nesterov(rate: .constant(0.05)), dtype: .bf16, seed: 1)
        trainer.afterStep.append(MaxNorm(limit: 2))
        for round in 0..<4 {
            for _ in 0..<5 { try trainer.step(images: data.images, labels: labels) }
            for rows in [100, 64, 100] {
                let part = images.rows(0..<rows)
                let copies = try trainer.parameters.map {
                    Parameter(path: $0.path, kind: $0.kind, value: try $0.value.copied())
                }
                let exact = try ClassifierWorker(classifier, parameters: copies).logits(of: part).elements
                let rounded = try trainer.logits(of: part).elements
                let largest = exact.map(abs).max() ?? 0
                let worst = zip(exact, rounded).map { abs($0 - $1) }.max() ?? 0
                #expect(worst <= 0.03 * largest, "round \(round), \(rows) rows: \(worst) of \(largest)")
            }
        }
    }
}
