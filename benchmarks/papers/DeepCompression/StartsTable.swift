import Alambic

/// Figure 8: where k-means starts, by the errors of pruned LeNet-300-100 whose weights share values and are not trained on.
struct StartsTable {
    let digits: Digits
    let lab: Lab
    let pruning: Lab

    func table() throws -> PaperResult.Table {
        let methods: [(name: String, clustering: any WeightClustering)] = [
            ("linear", Lloyd(start: .linear)), ("density", Lloyd(start: .density)),
            ("random", Lloyd(start: .random(seed: 1))), ("optimal", OptimalClusters()),
        ]
        let bits = [2, 3, 4, 5, 6]
        let outcomes = try lab.seeds.map { seed in
            let pruned = try HanPaper.pruned(.leNet300, digits, seed, pruning)
            let settings = ["pruning": "\(HanNetwork.leNet300.recipe(lab))", "bits": "\(bits)"]
            return try lab.part("starts", seed: seed, settings: settings) {
                try bits.map { bits in
                    try methods.map { try errors(pruned, bits, $0.clustering) }
                }
            }
        }
        return PaperResult.Table(
            title: "Figure 8: errors of LeNet-300-100 by start of k-means, before training",
            columns: ["bits"] + methods.map(\.name),
            rows: bits.indices.map { row in
                ["\(bits[row])"]
                    + methods.indices.map { column in Statistics(outcomes.map { $0[row][column] }).text() }
            },
            note: "Optimal: the least sum of squared distances there is; the others are Lloyd's algorithm. The paper "
                + "(AlexNet) finds the linear start best at 3 bits and more.")
    }

    private func errors(_ pruned: HanPaper.Pruned, _ bits: Int, _ clustering: any WeightClustering) throws -> Int {
        let classifier = HanNetwork.leNet300.classifier(dropout: [])
        let parameters = try pruned.weights.parameters(of: classifier, masks: true, on: lab.context)
        try DeepCompression.share(parameters, by: clustering) { $0.kind == .matrix ? bits : nil }
        return try ClassifierWorker(classifier, parameters: parameters, on: lab.context).evaluate(digits.test).errors
    }
}
