import Alambic
import Foundation
import Testing

@testable import papers

@Suite struct HanTests {
    private let context = Context.default

    private func set(_ parameter: Parameter, _ values: [Float]) {
        let value = parameter.value
        var span = value.mutableSpan
        for index in values.indices { span[index] = values[index] }
    }

    /// Thresholds are q times the deviation: with equal q the layer with larger weights keeps as many.
    @Test func thresholdsFollowTheDeviation() throws {
        let classifier = Classifier.mlp([64, 64, 64])
        let parameters = try classifier.initialized(seed: 5, on: context)
        set(parameters[2], parameters[0].value.elements.map { 10 * $0 })
        let data = try SyntheticData(train: 10, test: 10)
        defer { data.remove() }
        let lab = Lab(paper: "han", data: data.url, out: data.out, seeds: [1], quick: true)
        let recipe = HanRecipe(
            classifier: classifier, epochs: 0, rate: 0.1, penalty: .l2(0), retrainingPenalty: .l2(0), quality: [1, 1],
            rounds: [])
        let training = HanTraining(
            digits: try Digits(lab), recipe: recipe, seed: 1, context: context)
        let quality = try training.prune(parameters, to: 0.1)
        let kept = HanWeights.kept(parameters)
        #expect(abs(kept[0] - kept[1]) <= 1 && abs(kept[0] + kept[1] - 819) <= 1, "\(kept)")
        // A tenth of normal weights is beyond 1.64 deviations.
        #expect(abs(quality[0] - 1.64) < 0.1 && quality[0] == quality[1])
        for parameter in parameters where parameter.kind == .matrix { #expect(parameter.transform is Mask) }
        // A second, weaker pruning brings nothing back.
        try training.prune(parameters, to: 0.5)
        #expect(HanWeights.kept(parameters) == kept)
    }

    @Test func weightsComeBack() throws {
        let classifier = Classifier.mlp([3, 2])
        let parameters = try classifier.initialized(seed: 2, on: context)
        set(parameters[0], [1, 0, -2, 0, 3, 0])
        let bytes = try JSONEncoder().encode(HanWeights(parameters))
        let read = try JSONDecoder().decode(HanWeights.self, from: bytes)
            .parameters(of: classifier, masks: true, on: context)
        #expect(read.map(\.value.elements) == parameters.map(\.value.elements))
        #expect((read[0].transform as? Mask)?.kept == 3 && read[1].transform == nil)
    }
}
