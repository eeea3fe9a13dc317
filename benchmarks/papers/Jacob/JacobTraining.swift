import Alambic
import Foundation

/// The experiments of one seed.
struct JacobTraining {
    let lab: Lab
    let train: LabelledImages
    let test: LabelledImages
    let seed: UInt64
    let recipe: JacobRecipe
    private let classifier = Classifier.leNet5

    init(lab: Lab, digits: Digits, seed: UInt64, recipe: JacobRecipe) {
        (self.lab, self.seed, self.recipe) = (lab, seed, recipe)
        train = lab.quick ? digits.train.slice(0..<min(12_800, digits.train.count)) : digits.train
        test = lab.quick ? digits.test.slice(0..<min(2000, digits.test.count)) : digits.test
    }

    /// Trains in floats, and keeps the weights.
    func float() throws -> JacobRun.Float {
        let trainer = try trainer(recipe.rate, epochs: recipe.epochs, warmup: 200)
        try train(trainer, epochs: recipe.epochs)
        try save(trainer.parameters)
        let bytes = trainer.parameters.reduce(0) { $0 + $1.bytes }
        return JacobRun.Float(error: try error(trainer.errors(on: test)), bytes: bytes)
    }

    /// The float network trained on, as those for integers are.
    func longer() throws -> Double {
        let trainer = try trainer(recipe.tuningRate, epochs: recipe.tuningEpochs, from: try parameters())
        try train(trainer, epochs: recipe.tuningEpochs)
        return try error(trainer.errors(on: test))
    }

    /// Post-training quantization: at all bits as the paper has it, at the same bits of both in other ways.
    func afterTraining() throws -> [String: Double] {
        let parameters = try parameters()
        let images = train.images.rows(0..<min(recipe.calibration, train.count))
        var errors: [String: Double] = [:]
        func measure(_ scheme: IntegerScheme, _ observer: any RangeObserver = MinMaxObserver()) throws {
            let network = try IntegerNetwork.calibrated(
                classifier, parameters: parameters, on: images, observer: observer, scheme: scheme,
                context: lab.context)
            errors[JacobRun.key(scheme, type(of: observer).name)] = try error(
                network.errors(on: test, context: lab.context))
        }
        let bits = lab.choose(JacobPaper.bits, quick: [8, 4])
        for weights in bits {
            for activations in bits { try measure(IntegerScheme(weightBits: weights, activationBits: activations)) }
        }
        for bits in bits + lab.choose(JacobPaper.fewer, quick: []) {
            let scheme = IntegerScheme(weightBits: bits, activationBits: bits)
            try measure(scheme)
            try measure(scheme, MSEObserver())
            try measure(IntegerScheme(weightBits: bits, activationBits: bits, weights: .perChannel))
        }
        return errors
    }

    /// Trains for 8 bits from random weights, activations after a delay.
    func fromScratch() throws -> JacobRun.Trained {
        let trainer = try trainer(recipe.rate, epochs: recipe.epochs, warmup: 200)
        let training = try QuantizationAwareTraining(trainer, decay: recipe.decay, delay: recipe.delay)
        try train(trainer, epochs: recipe.epochs, loss: training.loss(HardTargets()))
        return try outcome(training, Self.scratch)
    }

    /// Trains the float network on, for a scheme's integers.
    func trained(_ scheme: IntegerScheme, _ name: String) throws -> JacobRun.Trained {
        let trainer = try trainer(recipe.tuningRate, epochs: recipe.tuningEpochs, from: try parameters())
        let training = try QuantizationAwareTraining(
            trainer, scheme: scheme, decay: recipe.decay, delay: recipe.tuningDelay)
        try train(trainer, epochs: recipe.tuningEpochs, loss: training.loss(HardTargets()))
        return try outcome(training, name)
    }

    /// The last evaluation, and whether what is deployed says the same.
    private func outcome(_ training: QuantizationAwareTraining, _ name: String) throws -> JacobRun.Trained {
        let network = try training.network()
        let evaluated = try training.logits(of: test.images)
        let errors = try training.errors(on: test)
        let file = try file(name)
        try network.save(to: file)
        let deployed = try IntegerNetwork(contentsOf: file, on: lab.context)
        let loaded = try deployed.logits(of: test.images, on: lab.context)
        return JacobRun.Trained(
            error: error(errors), isIdentical: loaded == evaluated, compared: evaluated.count,
            bytes: deployed.byteCount)
    }

    /// The logits of the test set, from the float network and from the one trained for integers from scratch, in turn.
    func speed() throws -> JacobSpeed {
        let floats = try trainer(recipe.rate, epochs: 1, from: try parameters())
        let integers = try IntegerNetwork(contentsOf: try file(Self.scratch), on: lab.context)
        var (float, integer): ([Double], [Double]) = ([], [])
        for _ in 0..<lab.choose(11, quick: 3) {
            float.append(
                try time { images in _ = try floats.logits(of: images) })
            integer.append(
                try time { images in _ = try integers.logits(of: images, on: lab.context) })
        }
        return JacobSpeed(float: float, integer: integer)
    }

    /// Microseconds an image takes in batches of ``JacobSpeed/rows``.
    private func time(_ body: (Tensor) throws -> Void) throws -> Double {
        let batches = stride(from: 0, to: test.count, by: JacobSpeed.rows).map { first in
            test.images.rows(first..<min(first + JacobSpeed.rows, test.count))
        }
        return try ContinuousClock().measure { for batch in batches { try body(batch) } } / .microseconds(test.count)
    }

    /// The name of what was trained for integers from scratch.
    private static let scratch = "from-scratch"

    /// Where the integers of a network are kept.
    private func file(_ name: String) throws -> URL { try lab.file("\(name)-seed\(seed).safetensors") }

    private func trainer(
        _ rate: Double, epochs: Int, warmup: Int = 0, from parameters: [Parameter]? = nil
    ) throws -> ClassifierTrainer {
        let steps = Epochs(count: epochs, rows: recipe.rows).steps(train)
        return try ClassifierTrainer(
            classifier, parameters: parameters,
            optimizer: .nesterov(
                rate: .linear(peak: rate, warmup: min(warmup, steps / 4), over: steps), momentum: recipe.momentum),
            seed: seed, on: lab.context)
    }

    private func train(_ trainer: ClassifierTrainer, epochs: Int, loss: (any ClassificationLoss)? = nil) throws {
        let loss = loss ?? HardTargets()
        try Epochs(count: epochs, rows: recipe.rows).train(
            trainer, on: train, seed: seed, loss: { _ in loss },
            each: { epoch, loss in
                if epoch % 4 == 3 { lab.say("epoch \(epoch + 1): loss \(decimal(loss, 5))") }
            })
    }

    private func error(_ errors: Int) -> Double { Double(errors) * 100 / Double(test.count) }

    private func save(_ parameters: [Parameter]) throws {
        let entries = parameters.map { SafeTensors.Entry($0.path, shape: $0.shape.dimensions, $0.value.elements) }
        try SafeTensors.write(entries, to: try lab.file("float-seed\(seed).safetensors"))
    }

    private func parameters() throws -> [Parameter] {
        let file = try SafeTensors(contentsOf: try lab.file("float-seed\(seed).safetensors"))
        return try classifier.parameters.map { description in
            let value = try Tensor(description.shape)
            try file.readFloats(description.path, shape: description.shape.dimensions, into: value.mutableSpan)
            return Parameter(
                path: description.path, kind: description.kind, decays: description.decays, value: value)
        }
    }
}
