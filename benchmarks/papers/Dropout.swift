import Alambic

/// Srivastava et al. 2014, Table 2: MNIST as a vector of 784 numbers, without knowledge of its being an image.
struct DropoutPaper: Paper {
    static let name = "dropout"
    static let citation =
        "Srivastava, Hinton, Krizhevsky, Sutskever, Salakhutdinov 2014, Dropout, JMLR 15, Table 2"
    static let summary = "Dropout and max-norm on permutation-invariant MNIST"

    /// A kind of training that Table 2 compares.
    enum Variant: String, CaseIterable {
        case plain, dropout, maxNorm

        var title: String {
            switch self {
            case .plain: "ReLU, no dropout"
            case .dropout: "ReLU, dropout"
            case .maxNorm: "ReLU, dropout + max-norm"
            }
        }
    }

    struct Outcome: Codable {
        var errors: Int
        var curve: [Double]
    }

    func run(_ lab: Lab) throws -> PaperResult {
        let digits = try Digits(lab)
        var outcomes: [Variant: [Outcome]] = [:]
        for variant in Variant.allCases {
            for seed in lab.seeds {
                outcomes[variant, default: []].append(
                    try lab.part(variant.rawValue, seed: seed) { try train(variant, digits, seed, lab) })
            }
        }
        return PaperResult(claims: [], differences: [])
    }

    private func train(_ variant: Variant, _ digits: Digits, _ seed: UInt64, _ lab: Lab) throws -> Outcome {
        let epochs = lab.choose(100, quick: 2)
        let drops = variant != .plain
        let classifier = Classifier.mlp(
            [784, 1024, 1024, 1024, 10], inputDropout: drops ? 0.2 : 0, hiddenDropout: drops ? 0.5 : 0)
        let trainer = try ClassifierTrainer(
            classifier, optimizer: .momentum(rate: .constant(0.05), 0.9), seed: seed, on: lab.context)
        var batches = try ImageBatches(of: digits.train, rows: 128, seed: seed, on: lab.context)
        var curve: [Double] = []
        let clock = ContinuousClock()
        for epoch in 0..<epochs {
            let start = clock.now
            var sum = 0.0
            for index in 0..<batches.perEpoch {
                let (images, labels) = try batches.batch(epoch * batches.perEpoch + index)
                sum += try trainer.step(images: images, labels: labels)
            }
            let errors = try trainer.errors(on: digits.test)
            curve.append(Double(errors) / 100)
            lab.say(
                "\(variant) epoch \(epoch) loss \(sum / Double(batches.perEpoch)) errors \(errors) \(clock.now - start)"
            )
        }
        return Outcome(errors: Int(curve[curve.count - 1] * 100), curve: curve)
    }
}
