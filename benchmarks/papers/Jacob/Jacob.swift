import Alambic

/// Jacob et al. 2018: LeNet-5 in integers alone, quantized after training and trained for it, at 8 bits and fewer.
struct JacobPaper: Paper {
    static let name = "jacob"
    static let citation =
        "Jacob, Kligys, Chen, Zhu, Tang, Howard, Adam, Kalenichenko 2018, Quantization and Training of Neural Networks "
        + "for Efficient Integer-Arithmetic-Only Inference, CVPR, sections 2 and 3, Tables 4.7 and 4.8"
    static let summary = "integer-only LeNet-5, and training for 8 bits and fewer"

    static let bits = [8, 7, 6, 5, 4]
    /// Below the paper's: the same bits for weights and activations.
    static let fewer = [3, 2]

    func run(_ lab: Lab) throws -> PaperResult {
        let digits = try Digits(lab)
        var runs: [JacobRun] = []
        for seed in lab.seeds { runs.append(try run(digits, seed, lab)) }
        let first = training(digits, lab.seeds[0], lab)
        let settings = ["recipe": "\(first.recipe)", "rows": "\(JacobSpeed.rows)"].merging(lab.clock) { $1 }
        let speed = try lab.part("speed", seed: first.seed, settings: settings) { try first.speed() }
        return JacobReport(runs: runs, recipe: first.recipe, speed: speed).result(lab)
    }

    private func training(_ digits: Digits, _ seed: UInt64, _ lab: Lab) -> JacobTraining {
        JacobTraining(lab: lab, digits: digits, seed: seed, recipe: JacobRecipe(lab))
    }

    private func run(_ digits: Digits, _ seed: UInt64, _ lab: Lab) throws -> JacobRun {
        let training = training(digits, seed, lab)
        let settings = ["recipe": "\(training.recipe)"]
        var run = JacobRun(
            float: try lab.part("float", seed: seed, settings: settings) { try training.float() })
        run.longer = try lab.part("float-longer", seed: seed, settings: settings) { try training.longer() }
        run.after = try lab.part("after-training", seed: seed, settings: settings) { try training.afterTraining() }
        run.scratch = try lab.part("from-scratch", seed: seed, settings: settings) { try training.fromScratch() }
        for scheme in cells(lab) where seed == lab.seeds[0] || scheme.weightBits == scheme.activationBits {
            let name = "trained-w\(scheme.weightBits)a\(scheme.activationBits)"
            run.trained[JacobRun.key(scheme)] = try lab.part(name, seed: seed, settings: settings) {
                try training.trained(scheme, name)
            }
        }
        return run
    }

    /// Which bits are trained for. Unequal ones on the first seed alone: five times as many networks would say the same.
    private func cells(_ lab: Lab) -> [IntegerScheme] {
        let bits = lab.choose(Self.bits, quick: [8, 4])
        let table = bits.flatMap { weights in
            bits.map { IntegerScheme(weightBits: weights, activationBits: $0) }
        }
        return table + lab.choose(Self.fewer, quick: []).map { IntegerScheme(weightBits: $0, activationBits: $0) }
    }
}

/// How networks are trained.
struct JacobRecipe: Codable {
    var epochs: Int
    var rate = 0.05
    var momentum = 0.9
    var rows = 64
    /// Of training for fewer bits, which starts from the float network's weights.
    var tuningEpochs: Int
    var tuningRate = 0.01
    /// Of the moving averages of ranges.
    var decay: Float = 0.99
    /// Steps before activations are quantized: from scratch, and from trained weights.
    var delay: Int
    var tuningDelay: Int
    /// Images that ranges are calibrated on after training.
    var calibration = 1000

    init(_ lab: Lab) {
        epochs = lab.choose(12, quick: 1)
        tuningEpochs = 1
        delay = lab.choose(2000, quick: 4)
        tuningDelay = lab.choose(100, quick: 2)
    }
}

/// What came out for one seed; errors in percent of the test set.
struct JacobRun {
    var float: Float
    /// The float network trained on for as long as those for integers are.
    var longer = 0.0
    /// After training, for each granularity, observer and scheme.
    var after: [String: Double] = [:]
    var scratch = Trained()
    var trained: [String: Trained] = [:]

    /// The network of floats.
    struct Float: Codable {
        var error = 0.0
        var bytes = 0
    }

    /// A network trained for integers.
    struct Trained: Codable {
        var error = 0.0
        /// Whether the saved and loaded network has the logits of the last evaluation, bit for bit.
        var isIdentical = false
        /// Logits compared.
        var compared = 0
        var bytes = 0
    }

    static func key(_ scheme: IntegerScheme) -> String { "w\(scheme.weightBits)a\(scheme.activationBits)" }
    static func key(_ scheme: IntegerScheme, _ observer: String) -> String {
        "\(scheme.weights.rawValue) \(observer) \(key(scheme))"
    }
}

/// Microseconds an image of the test set takes on all threads, in rounds that took turns.
struct JacobSpeed: Codable {
    /// Images in a batch.
    static let rows = 128
    var float: [Double]
    var integer: [Double]
}
