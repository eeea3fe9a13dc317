import Alambic
import Foundation

/// Han, Mao and Dally 2016: pruned networks whose weights share values, Huffman coded, in one file.
struct DeepCompressionPaper: Paper {
    static let name = "deepcompression"
    static let citation =
        "Han, Mao, Dally 2016, Deep Compression: Compressing Deep Neural Networks with Pruning, Trained "
        + "Quantization and Huffman Coding, ICLR, Tables 1 to 3 and Figure 8"
    static let summary = "LeNets in a fortieth of their bytes"

    /// How weights come to share values.
    struct Recipe: Codable {
        /// Bits of each layer's symbols before Huffman coding.
        var bits: [Int]
        /// Epochs of training the shared values, and Adam's rate.
        var epochs: Int
        var rate: Double
        var rows = 64
    }

    /// One network, from dense to its file.
    struct Outcome: Codable {
        /// Test errors: dense, pruned, with shared values before and after these are trained, and read from the file.
        var dense: Int
        var pruned: Int
        var shared: Int
        var trained: Int
        var loaded: Int
        /// Bytes of the file, and of its parts that are no layer's.
        var bytes: Int
        var header: Int
        var biases: Int
        var layers: [Layer]
    }

    /// One layer in the file.
    struct Layer: Codable {
        var kept: Int
        var codebook: Int
        var tables: Int
        var symbols: Int
        var gaps: Int
        var gapBits: Int
        var bytes: Int { codebook + tables + symbols + gaps }
    }

    func run(_ lab: Lab) throws -> PaperResult {
        let digits = try Digits(lab)
        // The pruned networks are those of the paper before this one, whose results are taken if they are there.
        let pruning = Lab(
            paper: HanPaper.name, data: lab.data, out: lab.out, seeds: lab.seeds, quick: lab.quick,
            context: lab.context)
        var result = PaperResult(claims: [], differences: Self.differences(lab))
        var overview = PaperResult.Table(
            title: "Table 1: test error and bytes on disk",
            columns: ["network", "error %, paper", "here", "size, paper", "here", "rate"], rows: [])
        var layers: [PaperResult.Table] = []
        for network in HanNetwork.allCases {
            let outcomes = try lab.seeds.map { try outcome(network, digits, $0, lab, pruning) }
            result.claims.append(claim(network, outcomes))
            overview.rows += rows(network, outcomes)
            layers += [
                layerTable(network, outcomes, Self.recipe(network, lab).bits), bytesTable(network, outcomes),
            ]
        }
        let starts = try StartsTable(digits: digits, lab: lab, pruning: pruning).table()
        result.tables = [overview] + layers + [starts]
        return result
    }

    static func recipe(_ network: HanNetwork, _ lab: Lab) -> Recipe {
        switch network {
        case .leNet300: Recipe(bits: [6, 6, 6], epochs: lab.choose(4, quick: 1), rate: 3e-4)
        case .leNet5: Recipe(bits: [6, 6, 5, 5], epochs: lab.choose(3, quick: 1), rate: 3e-4)
        }
    }

    private func outcome(
        _ network: HanNetwork, _ digits: Digits, _ seed: UInt64, _ lab: Lab, _ pruning: Lab
    ) throws -> Outcome {
        let recipe = Self.recipe(network, lab), earlier = network.recipe(lab)
        let dense = try HanPaper.dense(network, digits, seed, pruning)
        let pruned = try HanPaper.pruned(network, digits, seed, pruning)
        let settings = ["recipe": "\(recipe)", "pruning": "\(earlier)"]
        return try lab.part(network.rawValue, seed: seed, settings: settings) {
            let classifier = network.classifier(dropout: [])
            let parameters = try pruned.weights.parameters(of: classifier, masks: true, on: lab.context)
            let matrices = parameters.filter { $0.kind == .matrix }.map(\.path)
            try DeepCompression.share(parameters) { parameter in
                matrices.firstIndex(of: parameter.path).map { recipe.bits[$0] }
            }
            let epochs = Epochs(count: recipe.epochs, rows: recipe.rows)
            let trainer = try ClassifierTrainer(
                classifier, parameters: parameters,
                optimizer: .adam(rate: .cosine(peak: recipe.rate, over: epochs.steps(digits.train))), seed: seed,
                on: lab.context)
            let shared = try trainer.errors(on: digits.test)
            try epochs.train(trainer, on: digits.train, seed: seed << 16 + 1000)
            let trained = try trainer.errors(on: digits.test)
            let url = try lab.file("\(network.rawValue)-seed\(seed).deep")
            let file = try DeepCompression.compress(classifier, parameters, to: url)
            let loaded = try DeepCompression.classifier(url)
            let errors = try ClassifierWorker(loaded.classifier, parameters: loaded.parameters, on: lab.context)
                .evaluate(digits.test).errors
            lab.say(
                "\(network.title) seed \(seed): \(pruned.errors) errors pruned, \(shared) shared, \(trained) trained, "
                    + "\(file.bytes) bytes")
            return Outcome(
                dense: dense.errors, pruned: pruned.errors, shared: shared, trained: trained, loaded: errors,
                bytes: file.bytes, header: file.tensors.first?.offset ?? 0,
                biases: file.tensors.reduce(0) { $0 + ($1.parts == nil ? $1.bytes : 0) },
                layers: zip(file.tensors.compactMap(\.parts), HanWeights.kept(loaded.parameters)).map { parts, kept in
                    Layer(
                        kept: kept, codebook: parts.codebook, tables: parts.tables, symbols: parts.symbols,
                        gaps: parts.gaps, gapBits: parts.gapBits)
                })
        }
    }
}
