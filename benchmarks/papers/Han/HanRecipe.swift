import Alambic

/// The two networks that Han et al. prune on MNIST.
enum HanNetwork: String, CaseIterable, Codable {
    case leNet300, leNet5

    var title: String { self == .leNet300 ? "LeNet-300-100" : "LeNet-5" }
    /// The paper's names of its layers.
    var layers: [String] { self == .leNet300 ? ["fc1", "fc2", "fc3"] : ["conv1", "conv2", "fc1", "fc2"] }
    /// The share of each layer's weights that the paper keeps (Tables 3 and 4).
    var paperKept: [Double] { self == .leNet300 ? [0.08, 0.09, 0.26] : [0.66, 0.12, 0.08, 0.19] }
    /// Test errors in percent, dense and pruned (Table 1).
    var paperErrors: (dense: Double, pruned: Double) { self == .leNet300 ? (1.64, 1.59) : (0.80, 0.77) }

    /// The network, with dropout before its hidden linear layer's and its logits' weights where the rates are not 0.
    func classifier(dropout: [Double]) -> Classifier {
        let plain: Classifier = self == .leNet300 ? .leNet300 : .leNet5
        let places = plain.layers.indices.filter { if case .linear = plain.layers[$0] { $0 > 0 } else { false } }
        var layers = plain.layers
        for (place, rate) in zip(places, dropout).reversed() where rate > 0 { layers.insert(.dropout(rate), at: place) }
        return Classifier(input: plain.input, layers: layers)
    }

    /// Settings found on seed 1.
    func recipe(_ lab: Lab) -> HanRecipe {
        switch self {
        case .leNet300:
            HanRecipe(
                classifier: classifier(dropout: [0.3, 0.3]), epochs: lab.choose(30, quick: 1), rate: 0.1,
                penalty: .l2(3e-4), retrainingPenalty: .l2(1e-4), quality: [1.75, 1.7, 1.13],
                rounds: rounds([0.3, 0.15, 0.1, 0.08], epochs: lab.choose([6, 6, 6, 20], quick: [1, 1, 1, 1])))
        case .leNet5:
            HanRecipe(
                classifier: classifier(dropout: [0.3, 0.5]), epochs: lab.choose(8, quick: 1), rate: 0.05,
                penalty: .l2(5e-4), retrainingPenalty: .l2(1e-4), quality: [0.44, 1.3, 1.8, 1.2],
                rounds: rounds([0.3, 0.12, 0.08], epochs: lab.choose([3, 3, 10], quick: [1, 1, 1])))
        }
    }

    private func rounds(_ kept: [Double], epochs: [Int]) -> [HanRecipe.Round] {
        zip(kept, epochs).map { HanRecipe.Round(kept: $0, epochs: $1) }
    }
}

/// A penalty on the size of weights.
enum HanPenalty: Codable, Hashable {
    case l1(Double)
    case l2(Double)
}

/// How a network is trained, pruned and retrained.
struct HanRecipe: Codable {
    var classifier: Classifier
    /// Images in a batch.
    var rows = 64
    /// Epochs of the dense network, and the rate that they begin with.
    var epochs: Int
    var rate: Double
    var penalty: HanPenalty
    /// The penalty on what is left.
    var retrainingPenalty: HanPenalty
    /// Quality parameters of the layers' thresholds, relative to each other.
    var quality: [Double]
    var rounds: [Round]

    /// Which share of the weights a round of pruning leaves, and for how many epochs what is left is retrained.
    struct Round: Codable {
        var kept: Double
        var epochs: Int
    }

    /// All that the dense network depends on.
    var ofDense: String { "\(classifier) \(rows) \(epochs) \(rate) \(penalty)" }

    /// Retraining begins with a tenth of the rate (section 3.3).
    var retrainingRate: Double { rate / 10 }
}
