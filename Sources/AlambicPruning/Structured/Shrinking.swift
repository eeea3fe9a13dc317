import AlambicFiles
import AlambicKernels
import AlambicModels
import AlambicTensor
import AlambicTraining

extension Model {
    /// A smaller model: `kept` units of every layer (layers: of the model), those that are worth most, and the matrices without
    /// the rows and columns of the others. Weights that stay do not change, and become dense.
    ///
    /// The same number stays in every layer, as `config.json` has one number for all: `n_inner` and `n_layer` become smaller; which
    /// heads are gone is said in `pruned_heads`, as Hugging Face has it (Transformers before 5 rebuild it and load the smaller
    /// matrices; the width of a head, n_embd / n_head, stays what it was).
    ///
    /// - Throws: `.badSetting` for scores of another model, or a number of units that a layer does not have.
    public func keeping(_ kept: Int, by scores: UnitScores) throws(TrainingError) -> Model {
        let map = try UnitMap(architecture)
        let layers = 0..<architecture.layers
        guard scores.values.count == layers.count,
            layers.allSatisfy({ scores.values[$0].count == map.count(scores.unit, in: $0) })
        else { throw .badSetting("the scores of \(scores.unit) are those of another model") }
        let available =
            scores.unit == .layers ? layers.count : layers.map { map.count(scores.unit, in: $0) }.min() ?? 0
        guard (1...max(available, 1)).contains(kept) else {
            throw .badSetting("\(kept) \(scores.unit) cannot be kept of \(available): use 1...\(available)")
        }
        do {
            switch scores.unit {
            case .neurons: return try keepingNeurons(layers.map { scores.best(kept, in: $0) }, map.gpt)
            case .heads: return try keepingHeads(layers.map { scores.best(kept, in: $0) }, map.gpt)
            case .layers:
                let flat = UnitScores(.layers, [scores.values.map { $0[0] }])
                return try keepingLayers(flat.best(kept, in: 0), map.gpt)
            }
        } catch {
            throw .kernel(error)
        }
    }

    /// `share` of the units of every layer removed, rounded to whole units; one stays.
    public func removing(_ share: Double, by scores: UnitScores) throws(TrainingError) -> Model {
        guard (0..<1).contains(share) else {
            throw .badSetting("a share of \(share) of the \(scores.unit): use a number from 0 to below 1")
        }
        let all = scores.unit == .layers ? scores.values.count : scores.values.map(\.count).min() ?? 0
        return try keeping(max(1, all - Int((share * Double(all)).rounded())), by: scores)
    }

    private func keepingNeurons(_ kept: [[Int]], _ gpt: GPT) throws(KernelError) -> Model {
        var sizes = gpt.configuration
        sizes.innerWidth = kept[0].count
        return try rebuilt(GPT(sizes)) { path, layer throws(KernelError) in
            guard let layer else { return nil }
            switch path.suffix(after: layer) {
            case "mlp.c_fc.weight": return try self.weight(path).dense().selecting(rows: kept[layer])
            case "mlp.c_fc.bias": return try self.weight(path).dense().selecting(elements: kept[layer])
            case "mlp.c_proj.weight": return try self.weight(path).dense().selecting(columns: kept[layer])
            default: return nil
            }
        }
    }

    private func keepingHeads(_ kept: [[Int]], _ gpt: GPT) throws(KernelError) -> Model {
        var sizes = gpt.configuration
        for layer in kept.indices { sizes.keepHeads(kept[layer], in: layer) }
        let width = gpt.configuration.headWidth
        /// Places of the kept heads, in each of `parts` stretches of what the layer has now.
        func places(_ layer: Int, parts: Int) -> [Int] {
            let stretch = gpt.configuration.heads(of: layer) * width
            var result: [Int] = []
            for part in 0..<parts {
                for head in kept[layer] {
                    let first = part * stretch + head * width
                    result.append(contentsOf: first..<first + width)
                }
            }
            return result
        }
        return try rebuilt(GPT(sizes)) { path, layer throws(KernelError) in
            guard let layer else { return nil }
            switch path.suffix(after: layer) {
            case "attn.c_attn.weight": return try self.weight(path).dense().selecting(rows: places(layer, parts: 3))
            case "attn.c_attn.bias": return try self.weight(path).dense().selecting(elements: places(layer, parts: 3))
            case "attn.c_proj.weight": return try self.weight(path).dense().selecting(columns: places(layer, parts: 1))
            default: return nil
            }
        }
    }

    private func keepingLayers(_ kept: [Int], _ gpt: GPT) throws(KernelError) -> Model {
        let small = GPT(gpt.configuration.keepingLayers(kept))
        let weights = small.parameters.map { weight(gpt.path($0.path, withLayer: { kept[$0] })) }
        return replacing(architecture: small, weights: weights)
    }

    /// The model in other sizes: changed tensors as given, the others as they are.
    private func rebuilt(
        _ gpt: GPT, changed: (String, Int?) throws(KernelError) -> Tensor?
    ) throws(KernelError) -> Model {
        var weights: [PackedWeight] = []
        for description in gpt.parameters {
            if let tensor = try changed(description.path, description.layer) {
                weights.append(.f32(tensor))
            } else {
                weights.append(weight(description.path))
            }
        }
        return replacing(architecture: gpt, weights: weights)
    }
}

extension String {
    /// `mlp.c_fc.weight` of `h.3.mlp.c_fc.weight`.
    fileprivate func suffix(after layer: Int) -> String {
        let prefix = "h.\(layer)."
        return hasPrefix(prefix) ? String(dropFirst(prefix.count)) : self
    }
}
