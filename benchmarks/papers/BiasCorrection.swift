import Alambic
import Foundation

/// Kingma and Ba 2014, section 6.4: Adam with and without its bias correction, where beta2 is near 1.
struct BiasCorrection {
    let lab: Lab
    let train: LabelledImages

    init(_ lab: Lab, _ train: LabelledImages) { (self.lab, self.train) = (lab, train) }

    private var rates: [Double] { lab.choose([1e-4, 1e-3, 3e-3, 1e-2, 3e-2], quick: [1e-3, 1e-2]) }
    private static let betas = [0.99, 0.999, 0.9999]
    private static let hidden = 500
    /// Where the claim looks: ten times Adam's usual rate, at which training with the correction still works.
    private static let bold = 1e-2

    struct Answer {
        var claim: PaperResult.Claim
        var table: PaperResult.Table
        var curves: PaperResult.Curves
    }

    /// The mean training loss of the first epoch, which is where the correction matters.
    private func loss(rate: Double, beta2: Double, corrected: Bool, seed: UInt64) throws -> Double {
        let name = "bias-\(corrected ? "on" : "off")-\(beta2)-\(rate)"
        return try lab.part(name, seed: seed, settings: ["epochs": "1", "hidden": "\(Self.hidden)"]) {
            let optimizer: any Optimizer =
                corrected
                ? .adam(rate: .constant(rate), beta2: beta2) : .adamUncorrected(rate: .constant(rate), beta2: beta2)
            let trainer = try ClassifierTrainer(
                .mlp([784, Self.hidden, Self.hidden, 10], input: train.shape), optimizer: optimizer, dtype: lab.dtype,
                seed: seed, on: lab.context)
            var last = 0.0
            do {
                try Epochs(count: 1).train(trainer, on: train, seed: seed, each: { last = $1 })
            } catch TrainingError.notFinite {
                last = .greatestFiniteMagnitude
            }
            return last
        }
    }

    func run() throws -> Answer {
        var rows: [[String]] = []
        var lines: [PaperResult.Curves.Line] = []
        var atBold: [Double: (on: Statistics, off: Statistics)] = [:]
        for beta2 in Self.betas {
            let runs = try rates.map { rate in
                (on: try losses(rate, beta2, corrected: true), off: try losses(rate, beta2, corrected: false))
            }
            for (rate, run) in zip(rates, runs) {
                rows.append(["\(beta2)", "\(rate)", Self.text(run.on), Self.text(run.off)])
                if rate == Self.bold { atBold[beta2] = run }
            }
            let x = rates.map { log10($0) + 6 }
            lines.append(.init(name: "\(beta2), corrected", x: x, y: runs.map { min($0.on.mean, 3) }))
            lines.append(.init(name: "\(beta2), uncorrected", x: x, y: runs.map { min($0.off.mean, 3) }))
        }
        return Answer(
            claim: claim(atBold[Self.betas[0]], atBold[Self.betas[2]]),
            table: .init(
                title: "Bias correction: training loss in the first epoch",
                columns: ["beta2", "rate", "with", "without"], rows: rows),
            curves: .init(
                title: "Figure 4: bias correction", x: "6 + log10 of the rate", y: "training loss in nats, at most 3",
                lines: lines))
    }

    /// The instability: what beta2 near 1 does at a bold rate, with the correction and without.
    private func claim(
        _ far: (on: Statistics, off: Statistics)?, _ near: (on: Statistics, off: Statistics)?
    ) -> PaperResult.Claim {
        let text =
            "at rate \(Self.bold), beta2 from 0.99 to 0.9999: unstable without bias correction (loss more than doubles), "
            + "no worse with it (within 10 %)"
        guard let far, let near else { return .init(text: text, paper: "", measured: "not run", isMet: false) }
        return .init(
            text: text, paper: "instabilities without, none with",
            measured: "\(Self.text(far.off)) to \(Self.text(near.off)) without, \(Self.text(far.on)) to "
                + "\(Self.text(near.on)) with",
            isMet: near.off.mean > 2 * far.off.mean && near.on.mean < 1.1 * far.on.mean)
    }

    private func losses(_ rate: Double, _ beta2: Double, corrected: Bool) throws -> Statistics {
        Statistics(try lab.seeds.map { try loss(rate: rate, beta2: beta2, corrected: corrected, seed: $0) })
    }

    private static func text(_ losses: Statistics) -> String { losses.mean < 1e6 ? losses.text(4) : "diverged" }
}
