import Alambic

/// Figure 5: how accuracy falls as more is pruned, with and without retraining, on LeNet-300-100.
struct HanCurves {
    let digits: Digits
    let lab: Lab

    /// A line of the figure.
    enum Line: String, CaseIterable {
        case l2Only = "L2, no retraining", l1Only = "L1, no retraining"
        case l1Once = "L1, retrained", l2Once = "L2, retrained", l2Iterated = "L2, pruned and retrained in turn"

        var usesL1: Bool { self == .l1Only || self == .l1Once }
    }

    private let l1 = 2e-5
    private var recipe: HanRecipe { HanNetwork.leNet300.recipe(lab) }
    private var shares: [Double] {
        lab.choose([0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.92, 0.94, 0.96, 0.98], quick: [0.5, 0.8, 0.9, 0.96])
    }
    private var retraining: Int { lab.choose(4, quick: 1) }

    func figure() throws -> (curves: PaperResult.Curves, table: PaperResult.Table) {
        // Thirty prunings and retrainings: one seed shows the shape.
        let outcome = try outcome(lab.seeds[0])
        func error(_ line: Line, _ index: Int) -> Double { Double(outcome.errors[line.rawValue]?[index] ?? 0) / 100 }
        let lines = Line.allCases.map { line in
            PaperResult.Curves.Line(
                name: line.rawValue, x: shares.map { 100 * $0 },
                // Beyond this the figure would show nothing else.
                y: shares.indices.map { min(error(line, $0), 10) })
        }
        return (
            PaperResult.Curves(
                title: "Figure 5: the price of pruning LeNet-300-100", x: "% of the weights pruned", y: "test error %",
                lines: lines,
                note: "One seed. Dense: \(decimal(Double(outcome.l2) / 100, 2)) % with L2, "
                    + "\(decimal(Double(outcome.l1) / 100, 2)) % with L1. Errors above 10 % are drawn there."),
            PaperResult.Table(
                title: "Figure 5: test error % by share pruned",
                columns: ["pruned"] + ["L2", "L1", "L1+r", "L2+r", "L2 iter"],
                rows: shares.indices.map { index in
                    [decimal(100 * shares[index], 0)] + Line.allCases.map { decimal(error($0, index), 2) }
                },
                note: "+r: retrained for \(retraining) epochs; iter: each row goes on from the row above, and is "
                    + "retrained as long.")
        )
    }

    private struct Outcome: Codable {
        /// Of the dense networks.
        var l2: Int
        var l1: Int
        /// By line, for each share.
        var errors: [String: [Int]]
    }

    private func outcome(_ seed: UInt64) throws -> Outcome {
        let dense = try HanPaper.dense(.leNet300, digits, seed, lab)
        let settings = ["recipe": "\(recipe)", "l1": "\(l1)", "shares": "\(shares)", "epochs": "\(retraining)"]
        return try lab.part("figure5", seed: seed, settings: settings) {
            let training = HanTraining(digits: digits, recipe: recipe, seed: seed, context: lab.context)
            let other = try recipe.classifier.initialized(seed: seed, on: lab.context)
            try training.train(other, rate: recipe.rate, epochs: recipe.epochs, penalty: .l1(l1), phase: 100)
            let denseL1 = HanWeights(other)
            var outcome = Outcome(l2: dense.errors, l1: try training.errors(other), errors: [:])
            for line in Line.allCases {
                let start = line.usesL1 ? denseL1 : dense.weights
                outcome.errors[line.rawValue] = try errors(line, training, from: start)
                lab.say("figure 5, seed \(seed), \(line.rawValue): \(outcome.errors[line.rawValue] ?? [])")
            }
            return outcome
        }
    }

    private func errors(_ line: Line, _ training: HanTraining, from start: HanWeights) throws -> [Int] {
        var errors: [Int] = []
        var parameters = try start.parameters(of: recipe.classifier, masks: false, on: lab.context)
        for (index, share) in shares.enumerated() {
            if line != .l2Iterated && index > 0 {
                parameters = try start.parameters(of: recipe.classifier, masks: false, on: lab.context)
            }
            try training.prune(parameters, to: 1 - share)
            if line != .l1Only && line != .l2Only {
                try training.train(
                    parameters, rate: recipe.retrainingRate, epochs: retraining,
                    penalty: line.usesL1 ? .l1(l1) : recipe.retrainingPenalty, phase: UInt64(101 + index))
            }
            errors.append(try training.errors(parameters))
        }
        return errors
    }
}
