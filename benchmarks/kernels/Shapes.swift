import Foundation

/// What `--shapes` names: the shapes that every case brings along, or a list of our own.
enum ShapeChoice: Equatable {
    /// Each case's own shapes.
    case own
    /// The first of each case's own shapes.
    case quick
    /// These, for the cases with as many extents. `areProducts`: a named set of M x N x K, which other cases with three extents
    /// do not take.
    case list([BenchShape], areProducts: Bool)

    /// Kernels and competitors count in 32 bits.
    static let largestExtent = Int(Int32.max)

    /// Products of M rows with weights `[N, K]`, by name; sparse ones with the percentage of zeros as a fourth extent.
    static let sets: [(name: String, summary: String, shapes: [BenchShape])] = [
        (
            "gpt2-124m", "GPT-2 124M, 1024 tokens: projections, MLP, vocabulary",
            weights([(768, 768), (2304, 768), (3072, 768), (768, 3072), (50257, 768)], rows: [1024])
        ),
        (
            "llama-1b", "TinyLlama 1.1B, 512 tokens: projections, keys and values, MLP, vocabulary",
            weights([(2048, 2048), (256, 2048), (5632, 2048), (2048, 5632), (32000, 2048)], rows: [512])
        ),
        ("bert-base", "BERT base, 512 tokens", weights([(768, 768), (3072, 768), (768, 3072)], rows: [512])),
        ("square", "512³, 1024³, 2048³, 4096³", [512, 1024, 2048, 4096].map { BenchShape($0, $0, $0) }),
        ("decode", "one and eight tokens of a 7B Llama", weights([(4096, 4096), (11008, 4096)], rows: [1, 8])),
        (
            "sparse-7b", "a 7B Llama, 1 to 512 tokens, 50 to 90 % of the weights zero",
            sparse([(4096, 4096), (11008, 4096)])
        ),
        (
            "sparse-gpt2", "GPT-2 124M, 1 to 512 tokens, 50 to 90 % of the weights zero",
            sparse([(768, 768), (3072, 768), (768, 3072), (2304, 768), (50257, 768)])
        ),
    ]

    private static func weights(_ sizes: [(n: Int, k: Int)], rows: [Int]) -> [BenchShape] {
        rows.flatMap { m in sizes.map { BenchShape(m, $0.n, $0.k) } }
    }

    private static func sparse(_ sizes: [(n: Int, k: Int)]) -> [BenchShape] {
        [1, 8, 64, 512].flatMap { m in
            sizes.flatMap { size in [50, 70, 80, 90].map { BenchShape(m, size.n, size.k, $0) } }
        }
    }

    /// - Parameter text: `default`, `quick`, a set's name, shapes joined by commas, or the path of a file with one a line.
    init(_ text: String) throws(BenchError) {
        if text == "default" { self = .own; return }
        if text == "quick" { self = .quick; return }
        if let set = Self.sets.first(where: { $0.name == text }) {
            self = .list(set.shapes, areProducts: set.shapes.allSatisfy(\.isProduct))
            return
        }
        if Self.looksLikeShapes(text) {
            var shapes: [BenchShape] = []
            for part in text.split(separator: ",", omittingEmptySubsequences: false) {
                do { shapes.append(try Self.shape(part)) } catch {
                    throw BenchError.usage("--shapes \(text): \(error.text)")
                }
            }
            self = .list(shapes.withoutRepeats, areProducts: false)
            return
        }
        self = .list(try Self.shapes(inFile: text), areProducts: false)
    }

    /// Digits, signs, the letter x and commas: a shape, right or wrong, unless there is a file of that name.
    private static func looksLikeShapes(_ text: String) -> Bool {
        text.contains(where: \.isNumber) && text.allSatisfy { "0123456789xX×,-+. ".contains($0) }
            && !FileManager.default.fileExists(atPath: text)
    }

    private static func shapes(inFile path: String) throws(BenchError) -> [BenchShape] {
        var isDirectory: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) else {
            let names = (["default", "quick"] + sets.map(\.name)).joined(separator: ", ")
            throw path.contains("/") || path.contains(".")
                ? BenchError.failed("cannot read \(path): no such file")
                : BenchError.usage("unknown shape set '\(path)'; known: \(names), a file, or MxNxK[,MxNxK…]")
        }
        guard !isDirectory.boolValue, let data = FileManager.default.contents(atPath: path) else {
            throw BenchError.failed("cannot read \(path): \(isDirectory.boolValue ? "a folder" : "no permission")")
        }
        guard let text = String(data: data, encoding: .utf8) else {
            throw BenchError.usage("\(path) is not text: expected one shape a line, such as 1024x768x768")
        }
        var shapes: [BenchShape] = []
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let content = line.prefix { $0 != "#" }.trimmingCharacters(in: .whitespacesAndNewlines)
            if content.isEmpty { continue }
            do { shapes.append(try shape(content)) } catch {
                throw BenchError.usage("\(path):\(index + 1): \(error.text)")
            }
        }
        guard !shapes.isEmpty else {
            throw BenchError.usage("\(path) has no shape: expected one a line, such as 1024x768x768")
        }
        return shapes.withoutRepeats
    }

    /// One shape. Rows of text are not trusted: extents are positive, in range, and few.
    static func shape(_ text: some StringProtocol) throws(BenchError) -> BenchShape {
        let shown = text.count > 60 ? "\(text.prefix(60))…" : String(text)
        let words = text.split(separator: "x", omittingEmptySubsequences: false)
        guard 1...4 ~= words.count else {
            throw BenchError.usage("'\(shown)' has \(words.count) extents, expected 1 to 4, such as 1024x768x768")
        }
        var extents: [Int] = []
        for word in words {
            guard !word.isEmpty, word.allSatisfy({ $0.isASCII && $0.isNumber }) else {
                throw BenchError.usage("'\(shown)' is not a shape such as 1024x768x768")
            }
            guard let extent = Int(word), extent <= largestExtent else {
                throw BenchError.usage("'\(shown)' is too large: an extent is at most \(largestExtent)")
            }
            guard extent > 0 else { throw BenchError.usage("'\(shown)' is empty: every extent must be at least 1") }
            extents.append(extent)
        }
        return BenchShape(extents: extents)
    }

    /// The shapes of one case; none when the list has none that it takes.
    func shapes(of benchCase: BenchCase) -> [BenchShape] {
        switch self {
        case .own: return benchCase.shapes
        case .quick: return Array(benchCase.shapes.prefix(1))
        case .list(let shapes, let areProducts):
            guard let count = benchCase.shapes.first?.extents.count else { return [] }
            if areProducts && !benchCase.takesProductShapes { return [] }
            return shapes.filter { $0.extents.count == count }
        }
    }
}

extension Array where Element: Hashable {
    /// Each element once, in the order of its first appearance.
    var withoutRepeats: [Element] {
        var seen: Set<Element> = []
        return filter { seen.insert($0).inserted }
    }
}
