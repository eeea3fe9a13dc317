import Alambic

/// Kingma and Ba 2014, section 6.4: Adam with and without its bias correction, where beta2 is near 1.
struct BiasCorrection {
    let lab: Lab
    let train: LabelledImages

    init(_ lab: Lab, _ train: LabelledImages) { (self.lab, self.train) = (lab, train) }

    private var rates: [Double] { lab.choose([1e-5, 1e-4, 1e-3, 1e-2], quick: [1e-3]) }
    private static let betas = [0.99, 0.999, 0.9999]

    struct Answer {
        var claim: PaperResult.Claim
        var table: PaperResult.Table
        var curves: PaperResult.Curves
    }

    /// Mean training losses of the first epoch.
    private func loss(rate: Double, beta2: Double, corrected: Bool) throws -> Double {
        let epochs = lab.choose(2, quick: 1)
        let name = "bias-\(corrected ? "on" : "off")-\(beta2)-\(rate)"
        return try lab.part(name, settings: ["epochs": "\(epochs)"]) {
            let optimizer: any Optimizer =
                corrected
                ? .adam(rate: .constant(rate), beta2: beta2) : .adamUncorrected(rate: .constant(rate), beta2: beta2)
            let trainer = try ClassifierTrainer(
                .mlp([784, 256, 10], input: train.shape), optimizer: optimizer, dtype: lab.dtype, seed: 1,
                on: lab.context)
            var last = 0.0
            do {
                try Epochs(count: epochs).train(trainer, on: train, seed: 1, each: { last = $1 })
            } catch TrainingError.notFinite {
                last = .greatestFiniteMagnitude
            }
            return last
        }
    }

    func run() throws -> Answer {
        var rows: [[String]] = []
        var lines: [PaperResult.Curves.Line] = []
        var best: [Double: (on: Double, off: Double)] = [:]
        for beta2 in Self.betas {
            let on = try rates.map { try loss(rate: $0, beta2: beta2, corrected: true) }
            let off = try rates.map { try loss(rate: $0, beta2: beta2, corrected: false) }
            best[beta2] = (on.min() ?? .nan, off.min() ?? .nan)
            for (index, rate) in rates.enumerated() {
                rows.append(["\(beta2)", "\(rate)", Self.text(on[index]), Self.text(off[index])])
            }
            let logs = [-5.0, -4, -3, -2].suffix(rates.count)
            lines.append(.init(name: "\(beta2), corrected", x: Array(logs).map { $0 + 6 }, y: on.map { min($0, 3) }))
            lines.append(.init(name: "\(beta2), uncorrected", x: Array(logs).map { $0 + 6 }, y: off.map { min($0, 3) }))
        }
        // The instability: at the default rate, with beta2 nearest to 1.
        let rate = 1e-3
        let (on, off) = (
            try loss(rate: rate, beta2: 0.9999, corrected: true), try loss(rate: rate, beta2: 0.9999, corrected: false)
        )
        return Answer(
            claim: .init(
                text: "without bias correction, beta2 = 0.9999 at rate 0.001 is worse than with it",
                paper: "instabilities in training", measured: "\(Self.text(off)) without, \(Self.text(on)) with",
                isMet: off > on * 1.05),
            table: .init(
                title: "Bias correction: training loss in the last epoch",
                columns: ["beta2", "rate", "with", "without"],
                rows: rows),
            curves: .init(
                title: "Figure 4: bias correction", x: "6 + log10 of the rate", y: "training loss in nats, at most 3",
                lines: lines))
    }

    private static func text(_ loss: Double) -> String { loss < 1e6 ? decimal(loss, 4) : "diverged" }
}
