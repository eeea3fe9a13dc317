import Alambic

/// Han, Pool, Tran and Dally 2015: learn which connections matter, prune the others, and retrain, in turn.
struct HanPaper: Paper {
    static let name = "han"
    static let citation =
        "Han, Pool, Tran, Dally 2015, Learning both Weights and Connections for Efficient Neural Networks, NIPS, "
        + "Tables 1, 3, 4 and Figure 5"
    static let summary = "pruning LeNet-300-100 and LeNet-5 to a twelfth"

    /// A dense network.
    struct Dense: Codable {
        var errors: Int
        var weights: HanWeights
    }

    /// A network pruned in rounds.
    struct Pruned: Codable {
        /// Of each round: wrong answers after pruning and after retraining.
        var rounds: [[Int]]
        /// The layers' quality parameters in the last round.
        var quality: [Double]
        /// Weights left in each layer, and biases of neurons that live.
        var kept: [Int]
        var biases: Int
        var deadNeurons: Int
        var errors: Int
        var weights: HanWeights

        /// All that is left.
        var parameters: Int { kept.reduce(0, +) + biases }
    }

    func run(_ lab: Lab) throws -> PaperResult {
        let digits = try Digits(lab)
        var claims: [PaperResult.Claim] = []
        var table = PaperResult.Table(
            title: "Table 1: test error and parameters",
            columns: ["network", "error %, paper", "here", "parameters, paper", "here", "rate"], rows: [])
        var layers: [PaperResult.Table] = []
        for network in HanNetwork.allCases {
            let outcomes = try lab.seeds.map { seed in
                (
                    try Self.dense(network, digits, seed, lab),
                    try Self.pruned(network, digits, seed, lab)
                )
            }
            let dense = outcomes.map(\.0), pruned = outcomes.map(\.1)
            claims.append(claim(network, dense, pruned))
            table.rows += rows(network, dense, pruned)
            layers.append(layerTable(network, pruned))
        }
        let curves = try HanCurves(digits: digits, lab: lab).figure()
        return PaperResult(
            claims: claims, tables: [table] + layers + [curves.table], curves: [curves.curves],
            differences: differences(lab))
    }

    /// The dense network of a seed, trained or remembered.
    static func dense(_ network: HanNetwork, _ digits: Digits, _ seed: UInt64, _ lab: Lab) throws -> Dense {
        let recipe = network.recipe(lab)
        return try lab.part("\(network.rawValue)-dense", seed: seed, settings: ["recipe": recipe.ofDense]) {
            let training = HanTraining(digits: digits, recipe: recipe, seed: seed, context: lab.context)
            let parameters = try recipe.classifier.initialized(seed: seed, on: lab.context)
            try training.train(
                parameters, rate: recipe.rate, epochs: recipe.epochs, penalty: recipe.penalty, phase: 0)
            let errors = try training.errors(parameters)
            lab.say("\(network.title) dense, seed \(seed): \(errors) errors")
            return Dense(errors: errors, weights: HanWeights(parameters))
        }
    }

    /// The pruned network of a seed, trained or remembered.
    static func pruned(_ network: HanNetwork, _ digits: Digits, _ seed: UInt64, _ lab: Lab) throws -> Pruned {
        let recipe = network.recipe(lab)
        let dense = try dense(network, digits, seed, lab)
        return try lab.part("\(network.rawValue)-pruned", seed: seed, settings: ["recipe": "\(recipe)"]) {
            let training = HanTraining(digits: digits, recipe: recipe, seed: seed, context: lab.context)
            let parameters = try dense.weights.parameters(of: recipe.classifier, masks: false, on: lab.context)
            var rounds: [[Int]] = []
            var quality: [Double] = []
            for (index, round) in recipe.rounds.enumerated() {
                quality = try training.prune(parameters, to: round.kept)
                let before = try training.errors(parameters)
                try training.train(
                    parameters, rate: recipe.retrainingRate, epochs: round.epochs,
                    penalty: recipe.retrainingPenalty, phase: UInt64(index + 1))
                rounds.append([before, try training.errors(parameters)])
                lab.say(
                    "\(network.title) seed \(seed), \(round.kept) kept: \(before) errors, retrained \(rounds[index][1])"
                )
            }
            let dead = DeadUnits.silence(in: recipe.classifier, parameters)
            return Pruned(
                rounds: rounds, quality: quality, kept: HanWeights.kept(parameters),
                biases: parameters.filter { $0.kind != .matrix }.reduce(0) { $0 + $1.value.count } - dead,
                deadNeurons: dead, errors: try training.errors(parameters), weights: HanWeights(parameters))
        }
    }
}
