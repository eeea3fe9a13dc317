import Alambic

extension HanNetwork {
    /// What Deep Compression has of it: test error in percent and kilobytes, before and after (Table 1), and the bytes of
    /// each layer in percent of the dense ones (Tables 2 and 3).
    fileprivate var compressed: (error: Double, before: Int, after: Int, layers: [Double]) {
        switch self {
        case .leNet300: (1.58, 1070, 27, [2.32, 3.04, 12.70])
        case .leNet5: (0.74, 1720, 44, [67.45, 5.28, 2.45, 6.13])
        }
    }
    fileprivate var denseBytes: Int { 4 * classifier(dropout: []).parameterCount }
    fileprivate var matrixSizes: [Int] {
        classifier(dropout: []).parameters.filter { $0.kind == .matrix }.map { $0.shape.count }
    }
}

extension DeepCompressionPaper {
    func claim(_ network: HanNetwork, _ outcomes: [Outcome]) -> PaperResult.Claim {
        let (before, after) = (Statistics(outcomes.map(\.dense)), Statistics(outcomes.map(\.loaded)))
        let rates = outcomes.map { Double(network.denseBytes) / Double($0.bytes) }
        let least = rates.min() ?? 0
        let isSame = outcomes.allSatisfy { $0.trained == $0.loaded }
        let paper = network.compressed
        return PaperResult.Claim(
            text:
                "\(network.title): at least 35x on disk for every seed, read back and run, with no more errors than the "
                + "dense network (means)",
            paper: "\(network == .leNet300 ? 40 : 39)x, \(decimal(network.paperErrors.dense, 2)) % to "
                + "\(decimal(paper.error, 2)) %",
            measured: "\(decimal(least, 1))x, \(before.text()) to \(after.text()) errors of 10,000"
                + (isSame ? "" : "; the file's network differs"),
            isMet: least >= 35 && after.mean <= before.mean && isSame)
    }

    func rows(_ network: HanNetwork, _ outcomes: [Outcome]) -> [[String]] {
        func percent(_ pick: (Outcome) -> Int) -> String {
            Statistics(outcomes.map { Double(pick($0)) / 100 }).text(2)
        }
        let paper = network.compressed
        let bytes = Statistics(outcomes.map(\.bytes)).mean
        return [
            [
                "\(network.title), dense", decimal(network.paperErrors.dense, 2), percent(\.dense),
                "\(paper.before) KB", "\(decimal(Double(network.denseBytes) / 1000, 0)) KB", "",
            ],
            ["pruned", "", percent(\.pruned), "", "", ""],
            ["sharing values", "", percent(\.shared), "", "", ""],
            [
                "trained, in its file", decimal(paper.error, 2), percent(\.loaded), "\(paper.after) KB",
                "\(decimal(bytes / 1000, 1)) KB", "\(decimal(Double(network.denseBytes) / bytes, 1))x",
            ],
        ]
    }

    func layerTable(_ network: HanNetwork, _ outcomes: [Outcome], _ bits: [Int]) -> PaperResult.Table {
        func mean(_ value: (Layer) -> Double, _ layer: Int) -> Double {
            Statistics(outcomes.map { value($0.layers[layer]) }).mean
        }
        let rows = network.layers.indices.map { layer in
            let size = Double(network.matrixSizes[layer])
            return [
                network.layers[layer], "\(network.matrixSizes[layer])",
                decimal(100 * mean({ Double($0.kept) }, layer) / size, 1), "\(bits[layer])",
                decimal(mean({ 8 * Double($0.symbols) / Double(max($0.kept, 1)) }, layer), 1),
                decimal(mean({ 8 * Double($0.gaps) / Double(max($0.kept, 1)) }, layer), 1),
                decimal(network.compressed.layers[layer], 2),
                decimal(100 * mean({ Double($0.bytes) }, layer) / (4 * size), 2),
            ]
        }
        return PaperResult.Table(
            title: "Table \(network == .leNet300 ? 2 : 3): \(network.title) by layer",
            columns: ["layer", "weights", "left %", "bits", "coded", "step", "size %, paper", "here"], rows: rows,
            note: "Bits of a weight before and after Huffman coding and of the step to it, filler zeros included; size "
                + "with codebook and code tables.")
    }

    func bytesTable(_ network: HanNetwork, _ outcomes: [Outcome]) -> PaperResult.Table {
        func mean(_ value: (Outcome) -> Int) -> Double { Statistics(outcomes.map(value)).mean }
        let total = mean(\.bytes)
        func row(_ name: String, _ bytes: Double) -> [String] {
            [name, decimal(bytes, 0), decimal(100 * bytes / total, 1)]
        }
        return PaperResult.Table(
            title: "\(network.title)'s file", columns: ["what for", "bytes", "%"],
            rows: [
                row("weights' symbols", mean { $0.layers.reduce(0) { $0 + $1.symbols } }),
                row("steps between weights", mean { $0.layers.reduce(0) { $0 + $1.gaps } }),
                row("shared values", mean { $0.layers.reduce(0) { $0 + $1.codebook } }),
                row("code tables", mean { $0.layers.reduce(0) { $0 + $1.tables } }),
                row("biases, as floats", mean(\.biases)), row("header", mean(\.header)), row("all of it", total),
            ])
    }

    static func differences(_ lab: Lab) -> [String] {
        HanNetwork.allCases.map { network in
            let recipe = recipe(network, lab)
            return "\(network.title): symbols of \(recipe.bits.map(String.init).joined(separator: ", ")) bits (paper: "
                + "\(network == .leNet300 ? "6" : "8 for convolutions, 5 for the others")), one of which is the filler "
                + "zero; shared values trained by Adam at \(recipe.rate) for \(recipe.epochs) epochs"
        } + [
            "the pruned networks are those of the paper on pruning, which its run or this one trains",
            "steps have as many bits as make each layer shortest (paper: 5 for all of these layers); Huffman codes of at "
                + "most 15 bits",
            "the size is that of the whole file, header, codebooks, code tables and biases in 32 bits included",
        ]
    }
}
