import Alambic

/// Kingma and Ba 2014 (Adam), Figures 1 and 2 and section 6.4 (Figure 4), on MNIST.
struct AdamPaper: Paper {
    static let name = "adam"
    static let citation =
        "Kingma, Ba 2014, Adam: a Method for Stochastic Optimization, arXiv:1412.6980, Figures 1, 2 and 4"
    static let summary = "Adam against other optimizers, and its bias correction"

    /// A problem of the paper.
    enum Problem: String {
        case logistic, network

        var classifier: Classifier {
            let shape = ImageShape(height: 28, width: 28, channels: 1)
            return switch self {
            case .logistic: Classifier.mlp([784, 10], input: shape)
            case .network: Classifier.mlp([784, 1000, 1000, 10], input: shape, inputDropout: 0.2, hiddenDropout: 0.5)
            }
        }
        /// The regression is "L2-regularized" (section 6.1), by how much the paper does not say.
        var l2: Double { self == .logistic ? 1e-4 : 0 }
        /// Whose curves the paper's figure has, of those here.
        var methods: [Method] {
            self == .logistic
                ? [.adagrad, .adagradConstant, .nesterov, .adam] : [.adagrad, .rmsProp, .nesterov, .adam]
        }
    }

    /// An optimizer, and the rates that are tried.
    enum Method: String, CaseIterable {
        case adagrad = "AdaGrad", rmsProp = "RMSProp", nesterov = "SGD Nesterov", adam = "Adam"
        /// Not in the paper: its sum of squares makes AdaGrad's steps fall with 1/√t already.
        case adagradConstant = "AdaGrad, rate not falling"

        /// A factor of about 3 apart for all; each search has as many, and finds its best inside.
        func rates(_ problem: Problem) -> [Double] {
            switch (problem, self) {
            case (.logistic, .adagrad), (.logistic, .adagradConstant): [0.01, 0.03, 0.1, 0.3, 1, 3]
            case (.logistic, .nesterov): [0.1, 0.3, 1, 3, 10, 30]
            case (.logistic, .rmsProp), (.logistic, .adam): [0.003, 0.01, 0.03, 0.1, 0.3, 1]
            case (.network, .adagrad), (.network, .adagradConstant), (.network, .nesterov): [0.003, 0.01, 0.03, 0.1]
            case (.network, .rmsProp), (.network, .adam): [0.0001, 0.0003, 0.001, 0.003]
            }
        }

        /// "The stepsize α in our logistic regression experiments is adjusted by 1/√t decay, namely α_t = α/√t" (section
        /// 6.1).
        func schedule(_ problem: Problem, _ rate: Double) -> Schedule {
            problem == .logistic && self != .adagradConstant ? .inverseSquareRoot(peak: rate) : .constant(rate)
        }

        func optimizer(_ rate: Schedule, l2: Double) -> any Optimizer {
            switch self {
            case .adagrad, .adagradConstant: .adagrad(rate: rate, l2: l2)
            case .rmsProp: .rmsProp(rate: rate, l2: l2)
            case .nesterov: .nesterov(rate: rate, momentum: 0.9, l2: l2)
            case .adam: .adam(rate: rate, l2: l2)
            }
        }
    }

    /// The mean training loss of every epoch; infinite from where it diverged.
    struct Outcome: Codable {
        var losses: [Double]
        var rate: Double
        var last: Double { losses.last ?? .infinity }
    }

    func run(_ lab: Lab) throws -> PaperResult {
        let digits = try Digits(lab)
        let logistic = try figure(.logistic, digits, lab)
        let network = try figure(.network, digits, lab)
        let correction = try BiasCorrection(lab, digits.train).run()
        let mean = { (outcomes: [Method: [Outcome]], method: Method) in
            Statistics((outcomes[method] ?? []).map(\.last))
        }
        let (adam, nesterov, adagrad) = (
            mean(logistic, .adam), mean(logistic, .nesterov), mean(logistic, .adagrad)
        )
        let apart = abs(adam.mean - nesterov.mean) / nesterov.mean
        let others = Problem.network.methods.filter { $0 != .adam }
        return PaperResult(
            claims: [
                .init(
                    text:
                        "logistic regression, rates α/√t: Adam and SGD with Nesterov momentum within 2 % of each other, both below AdaGrad",
                    paper: "about equal, both below AdaGrad",
                    measured: "Adam \(adam.text(4)), Nesterov \(nesterov.text(4)), AdaGrad \(adagrad.text(4)) "
                        + "(at a rate that does not fall \(mean(logistic, .adagradConstant).text(4)))",
                    isMet: apart < 0.02 && adam.mean < adagrad.mean && nesterov.mean < adagrad.mean),
                .init(
                    text: "network with dropout: Adam below AdaGrad, RMSProp and SGD with Nesterov momentum",
                    paper: "lowest curve",
                    measured: Problem.network.methods.map { "\($0.rawValue) \(mean(network, $0).text(4))" }
                        .joined(separator: ", "),
                    isMet: others.allSatisfy { mean(network, .adam).mean < mean(network, $0).mean }),
                correction.claim,
            ],
            tables: [
                table("Logistic regression: training loss after the last epoch", .logistic, logistic),
                table("Network of 2 x 1000 with dropout: training loss in the last epoch", .network, network),
                correction.table,
            ],
            curves: [
                curves("Figure 1: logistic regression", .logistic, logistic),
                curves("Figure 2: network with dropout", .network, network), correction.curves,
            ],
            differences: [
                "each optimizer at the best of six (logistic) or four (network) rates, by the loss after "
                    + "\(searchEpochs(.logistic, lab)) (logistic) and \(searchEpochs(.network, lab)) (network) epochs of seed "
                    + "1; the paper searches a denser grid that it does not print",
                "\(epochs(.network, lab)) epochs of the network (paper: 200), \(epochs(.logistic, lab)) of the regression (45)",
                "logistic regression with L2 of \(Problem.logistic.l2) in the loss (the paper does not say how much); rates are "
                    + "α/√t for all, as section 6.1 has it. AdaGrad is run with a rate that does not fall as well: its sum of "
                    + "squares divides by √t already, and the paper's α/√t divides a second time",
                "dropout of 0.2 on the network's input and 0.5 on hidden units; AdaDelta and SFO are not run",
                "bias correction: a network of 2 x 500 units in its first epoch instead of a variational auto-encoder after ten",
            ])
    }

    private func epochs(_ problem: Problem, _ lab: Lab) -> Int {
        problem == .logistic ? lab.choose(45, quick: 5) : lab.choose(8, quick: 1)
    }
    private func searchEpochs(_ problem: Problem, _ lab: Lab) -> Int {
        problem == .logistic ? lab.choose(15, quick: 2) : lab.choose(2, quick: 1)
    }

    private func figure(_ problem: Problem, _ digits: Digits, _ lab: Lab) throws -> [Method: [Outcome]] {
        var outcomes: [Method: [Outcome]] = [:]
        for method in problem.methods {
            let rates = lab.choose(method.rates(problem), quick: [method.rates(problem)[2]])
            let search = try rates.map { rate in
                try part(
                    "\(problem)-\(method)-search-\(rate)", problem, method, rate, searchEpochs(problem, lab), 1, digits,
                    lab)
            }
            guard let best = search.min(by: { $0.last < $1.last }) else { continue }
            for seed in lab.seeds {
                outcomes[method, default: []].append(
                    try part(
                        "\(problem)-\(method)", problem, method, best.rate, epochs(problem, lab), seed, digits, lab))
            }
        }
        return outcomes
    }

    private func part(
        _ name: String, _ problem: Problem, _ method: Method, _ rate: Double, _ epochs: Int, _ seed: UInt64,
        _ digits: Digits, _ lab: Lab
    ) throws -> Outcome {
        try lab.part(
            name, seed: seed,
            settings: [
                "rate": "\(method.schedule(problem, rate))", "epochs": "\(epochs)", "network": "\(problem.classifier)",
                "l2": "\(problem.l2)",
            ]
        ) {
            let runs = Epochs(count: epochs)
            let trainer = try ClassifierTrainer(
                problem.classifier, optimizer: method.optimizer(method.schedule(problem, rate), l2: problem.l2),
                dtype: lab.dtype, seed: seed, on: lab.context)
            var losses: [Double] = []
            do {
                try runs.train(
                    trainer, on: digits.train, seed: seed,
                    each: { _, loss in losses.append(loss + (try Self.penalty(trainer, problem.l2))) })
            } catch TrainingError.notFinite {
                losses.append(.greatestFiniteMagnitude)
            }
            return Outcome(losses: losses, rate: rate)
        }
    }

    /// What L2 adds to the loss.
    private static func penalty(_ trainer: ClassifierTrainer, _ l2: Double) throws -> Double {
        try trainer.parameters.filter { $0.kind == .matrix }.reduce(0) { sum, parameter in
            sum + l2 / 2 * (try dot(parameter.value.span, parameter.value.span, on: trainer.context))
        }
    }

    private func table(_ title: String, _ problem: Problem, _ outcomes: [Method: [Outcome]]) -> PaperResult.Table {
        .init(
            title: title, columns: ["optimizer", "rate", "loss in nats"],
            rows: problem.methods.map { method in
                let runs = outcomes[method] ?? []
                return [method.rawValue, "\(runs.first?.rate ?? .nan)", Statistics(runs.map(\.last)).text(4)]
            })
    }

    private func curves(_ title: String, _ problem: Problem, _ outcomes: [Method: [Outcome]]) -> PaperResult.Curves {
        .init(
            title: title, x: "epoch", y: "training loss in nats",
            lines: problem.methods.compactMap { method in
                guard let runs = outcomes[method], let first = runs.first else { return nil }
                let mean = first.losses.indices.map { epoch in
                    runs.reduce(0) { $0 + $1.losses[min(epoch, $1.losses.count - 1)] } / Double(runs.count)
                }
                return .init(name: method.rawValue, x: mean.indices.map { Double($0 + 1) }, y: mean)
            })
    }
}
