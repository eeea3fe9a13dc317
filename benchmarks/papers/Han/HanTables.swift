import Alambic

extension HanPaper {
    func claim(_ network: HanNetwork, _ dense: [Dense], _ pruned: [Pruned]) -> PaperResult.Claim {
        let (before, after) = (Statistics(dense.map(\.errors)), Statistics(pruned.map(\.errors)))
        let rate = pruned.map { compression(network, $0) }.min() ?? 0
        let paper = network.paperErrors
        return PaperResult.Claim(
            text: "\(network.title): at most a twelfth of the parameters, and no more errors than the dense network "
                + "(means)",
            paper: "12x, \(decimal(paper.dense, 2)) % to \(decimal(paper.pruned, 2)) %",
            measured: "\(decimal(rate, 1))x, \(before.text()) to \(after.text()) errors of 10,000",
            isMet: rate >= 12 && after.mean <= before.mean)
    }

    private func compression(_ network: HanNetwork, _ pruned: Pruned) -> Double {
        Double(network.classifier(dropout: []).parameterCount) / Double(pruned.parameters)
    }

    func rows(_ network: HanNetwork, _ dense: [Dense], _ pruned: [Pruned]) -> [[String]] {
        let paper = network.paperErrors
        let total = network.classifier(dropout: []).parameterCount
        let left = Statistics(pruned.map { $0.parameters })
        func percent(_ errors: [Int]) -> String { Statistics(errors.map { Double($0) / 100 }).text(2) }
        return [
            [
                "\(network.title), dense", decimal(paper.dense, 2), percent(dense.map(\.errors)),
                network == .leNet300 ? "267K" : "431K", "\(total)", "",
            ],
            [
                "pruned", decimal(paper.pruned, 2), percent(pruned.map(\.errors)),
                network == .leNet300 ? "22K" : "36K", decimal(left.mean, 0),
                decimal(Double(total) / left.mean, 1) + "x",
            ],
        ]
    }

    func layerTable(_ network: HanNetwork, _ pruned: [Pruned]) -> PaperResult.Table {
        let matrices = network.classifier(dropout: []).parameters.filter { $0.kind == .matrix }
        let rows = network.layers.indices.map { layer in
            let total = matrices[layer].shape.count
            let kept = Statistics(pruned.map { 100 * Double($0.kept[layer]) / Double(total) })
            let quality = Statistics(pruned.map { $0.quality[layer] })
            return [
                network.layers[layer], "\(total)", decimal(100 * network.paperKept[layer], 0), kept.text(),
                quality.text(2),
            ]
        }
        let dead = Statistics(pruned.map(\.deadNeurons))
        let rounds = pruned.first?.rounds.map { "\($0[0]) → \($0[1])" }.joined(separator: ", ") ?? ""
        return PaperResult.Table(
            title: "Table \(network == .leNet300 ? 3 : 4): what is left of \(network.title)",
            columns: ["layer", "weights", "left %, paper", "here", "q of the last round"], rows: rows,
            note:
                "Neurons that died: \(dead.text()). Errors after pruning → after retraining, round by round on the first "
                + "seed: \(rounds).")
    }

    func differences(_ lab: Lab) -> [String] {
        HanNetwork.allCases.map { network in
            let recipe = network.recipe(lab)
            let rounds = recipe.rounds.map { "\(decimal(100 * $0.kept, 0)) % (\($0.epochs))" }.joined(separator: ", ")
            return
                "\(network.title): batches of \(recipe.rows), momentum 0.9, rate \(recipe.rate) falling in half a cosine "
                + "over \(recipe.epochs) epochs, \(recipe.penalty); rounds (epochs of retraining, "
                + "\(recipe.retrainingPenalty)): \(rounds); Caffe's settings in the paper"
        } + [
            "the layers' q are in the ratios of the paper's shares; all are multiplied by what leaves the round's share, so "
                + "that every seed ends with the same number of weights",
            "Figure 5 is AlexNet's in the paper, and top-5 accuracy",
            "biases are not pruned; those of living neurons are counted as parameters",
        ]
    }
}
