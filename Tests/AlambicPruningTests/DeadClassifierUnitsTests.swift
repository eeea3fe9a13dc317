import AlambicKernels
import AlambicModels
import AlambicTensor
import AlambicTraining
import Testing

@testable import AlambicPruning

@Suite struct DeadClassifierUnitsTests {
    private let context = Context.default

    private func set(_ parameter: Parameter, _ values: [Float]) {
        let value = parameter.value
        var span = value.mutableSpan
        for index in values.indices { span[index] = values[index] }
    }

    /// 2 inputs, 3 hidden neurons, 2 outputs. Neuron 1 has nothing coming in but a bias of 2, neuron 2 nothing going out.
    @Test func deadNeuronsByHand() throws {
        let classifier = Classifier.mlp([2, 3, 2])
        let parameters = try classifier.initialized(seed: 1, on: context)
        set(parameters[0], [1, 2, 0, 0, 5, 6])
        set(parameters[1], [0.5, 2, 7])
        set(parameters[2], [3, 4, 0, 0, 10, 0])
        set(parameters[3], [0, 1])
        #expect(DeadUnits.silence(in: classifier, parameters) == 2)
        #expect(parameters[0].value.elements == [1, 2, 0, 0, 0, 0])
        #expect(parameters[1].value.elements == [0.5, 0, 0])
        #expect(parameters[2].value.elements == [3, 0, 0, 0, 0, 0])
        // max(2, 0) times 4 and 10.
        #expect(parameters[3].value.elements == [8, 21])
    }

    /// One removal leads to the next: the only reader of neuron 0 of the first layer is itself read by nobody.
    @Test func deadNeuronsInChains() throws {
        let classifier = Classifier.mlp([1, 1, 1, 1, 1])
        let parameters = try classifier.initialized(seed: 1, on: context)
        set(parameters[6], [0])
        #expect(DeadUnits.silence(in: classifier, parameters) == 3)
        #expect(parameters.dropLast().allSatisfy { $0.value.elements == [0] })
    }

    /// A convolution's channels are neurons too; what the network computes stays the same.
    @Test func removalChangesNothing() throws {
        let classifier = Classifier(
            input: ImageShape(height: 12, width: 12, channels: 1),
            layers: [
                .convolution(channels: 4, side: 5), .maxPool(2), .relu, .convolution(channels: 5, side: 3), .maxPool(2),
                .relu, .linear(6), .relu, .linear(3),
            ])
        let parameters = try classifier.initialized(seed: 3, on: context)
        for (index, parameter) in parameters.enumerated() {
            let columns = parameter.shape.columns
            var values = parameter.value.elements
            for place in values.indices {
                switch index {
                case 1, 3, 5: values[place] = Float(place % 3) - 0.5
                // Channels 1 and 2 of the first layer, 0 of the second and neuron 4 of the third have no inputs.
                case 0: if [1, 2].contains(place / columns) { values[place] = 0 }
                case 2: if place / columns == 0 { values[place] = 0 }
                // Nobody reads channel 3 of the second layer.
                case 4: if place / columns == 4 || place % columns % 5 == 3 { values[place] = 0 }
                default: break
                }
            }
            set(parameter, values)
        }
        let images = try Tensor([7, 144], (0..<7 * 144).map { Float(($0 * 37) % 101) / 101 })
        let worker = try ClassifierWorker(classifier, parameters: parameters, on: context)
        let before = try worker.logits(of: images).elements
        #expect(DeadUnits.silence(in: classifier, parameters) == 5)
        let after = try worker.logits(of: images).elements
        // Sums of at most 150 terms of size 1 in another order.
        #expect(zip(before, after).allSatisfy { abs($0 - $1) < 1e-4 * max(1, abs($0)) })
    }
}
