/// Which attention heads of which layers are gone, as `pruned_heads` of a Hugging Face `config.json` says it
/// (`{"0": [1, 3]}`; `PretrainedConfig.pruned_heads`, of Transformers before 5): matrices in the file are those of the heads
/// that are left, and the width of a head stays what it was.
public struct PrunedHeads: Sendable, Equatable {
    /// For each layer that has lost heads, their numbers in the whole layer, ascending.
    public private(set) var layers: [Int: [Int]] = [:]

    /// None.
    public init() {}

    /// Reads the key, which need not be there.
    ///
    /// - Throws: `FileError` for layers or heads that there are not, and for a layer without any head left.
    init(_ reader: JSONReader, layers count: Int, heads: Int) throws(FileError) {
        guard reader.has("pruned_heads"), let json = reader.object["pruned_heads"] else { return }
        let expected =
            "an object such as {\"0\": [1, 3]}: heads below \(heads) of layers below \(count), one left in each"
        guard case .object(let object) = json else { throw reader.failure("pruned_heads", expected: expected) }
        for (key, value) in object.pairs {
            guard let layer = Int(key), (0..<count).contains(layer), case .array(let elements) = value else {
                throw reader.failure("pruned_heads", expected: expected)
            }
            var gone = Set<Int>()
            for element in elements {
                guard case .number(let text) = element, let head = Int(text), (0..<heads).contains(head) else {
                    throw reader.failure("pruned_heads", expected: expected)
                }
                gone.insert(head)
            }
            guard gone.count < heads else { throw reader.failure("pruned_heads", expected: expected) }
            if !gone.isEmpty { layers[layer] = gone.sorted() }
        }
    }

    /// The key's value; nil where nothing is gone.
    var json: JSON? {
        guard !layers.isEmpty else { return nil }
        var object: JSONObject = [:]
        for (layer, heads) in layers.sorted(by: { $0.key < $1.key }) {
            object[String(layer)] = .array(heads.map { .number($0) })
        }
        return .object(object)
    }

    /// Keeps some of the heads that a layer of `heads` has left, by their places among these.
    mutating func keep(_ kept: [Int], in layer: Int, of heads: Int) {
        let gone = Set(layers[layer] ?? [])
        let left = (0..<heads).filter { !gone.contains($0) }
        precondition(
            !kept.isEmpty && kept.allSatisfy(left.indices.contains), "heads \(kept) of \(left.count) in layer \(layer)")
        let staying = Set(kept.map { left[$0] })
        let now = (0..<heads).filter { !staying.contains($0) }
        layers[layer] = now.isEmpty ? nil : now
    }

    /// Those of a model whose layer i is layer `kept[i]` of this one.
    func keepingLayers(_ kept: [Int]) -> PrunedHeads {
        var result = PrunedHeads()
        for (new, old) in kept.enumerated() { result.layers[new] = layers[old] }
        return result
    }
}

extension GPT2Configuration {
    /// Width of a head: `n_embd` / `n_head`, heads that are gone counted.
    public var headWidth: Int { width / heads }

    /// Heads that a layer has left.
    public func heads(of layer: Int) -> Int { heads - (prunedHeads.layers[layer]?.count ?? 0) }

    /// Keeps some of the heads that a layer has left, by their places among these.
    public mutating func keepHeads(_ kept: [Int], in layer: Int) { prunedHeads.keep(kept, in: layer, of: heads) }

    /// The sizes of a model whose layer i is layer `kept[i]` of this one.
    public func keepingLayers(_ kept: [Int]) -> GPT2Configuration {
        var result = self
        result.layers = kept.count
        result.prunedHeads = prunedHeads.keepingLayers(kept)
        return result
    }
}
