import AlambicKernels
import AlambicModels
import AlambicTensor
import AlambicTraining

extension Model {
    /// The paths of all matrices that can be pruned, but those that contain one of `except`.
    public func prunablePaths(except: [String] = []) -> [String] {
        architecture.prunable(except: except).map { architecture.parameters[$0].path }
    }

    /// A copy pruned at once, without any retraining: what a sparsity costs by itself. Matrices whose path is not named
    /// stay as they are.
    ///
    /// - Throws: `.badSetting` for a path that is no prunable matrix's, or a pattern that does not tile its matrix.
    public func pruned(
        _ method: some PruningMethod = .magnitude, to sparsities: [String: Sparsity], on context: Context = .default
    ) throws(TrainingError) -> Model {
        let prunable = architecture.prunable(except: [])
        try architecture.check(sparsities, prunable: prunable)
        var weights = self.weights
        for index in prunable {
            guard let sparsity = sparsities[architecture.parameters[index].path] else { continue }
            do {
                let weight = try weights[index].dense().copied()
                try method.mask(of: weight, to: sparsity, after: nil).apply(to: weight, on: context)
                weights[index] = try .smallest(of: weight)
            } catch {
                throw .kernel(error)
            }
        }
        return replacing(weights: weights)
    }

    /// For every prunable matrix the share that goes when the weights of smallest magnitude among all of them together go:
    /// one threshold for the whole model instead of one for each matrix.
    ///
    /// - Parameters:
    ///   - sparsity: the share of all weights, or of all blocks. N:M has the same share everywhere, and is returned as it is.
    ///   - except: matrices to leave alone, by a part of their path.
    public func globalMagnitude(
        _ sparsity: Sparsity, except: [String] = []
    ) throws(TrainingError) -> [String: Sparsity] {
        let prunable = architecture.prunable(except: except)
        var result: [String: Sparsity] = [:]
        for index in prunable { result[architecture.parameters[index].path] = sparsity }
        try architecture.check(result, prunable: prunable)
        if case .pattern = sparsity { return result }
        var tensors: [Tensor] = []
        do { for index in prunable { tensors.append(try weights[index].dense()) } } catch { throw .kernel(error) }
        func keys(_ piece: Int) -> [UInt32] {
            let keys = Magnitude.keys(of: tensors[piece], after: nil)
            guard case .blocks(_, let inputs) = sparsity else { return keys }
            let blocks = WeightBlocks(rows: tensors[piece].rows, columns: tensors[piece].columns, inputs: inputs)
            return blocks.keys(of: tensors[piece], where: keys)
        }
        func count(_ tensor: Tensor) -> Int {
            guard case .blocks(_, let inputs) = sparsity else { return tensor.count }
            return WeightBlocks(rows: tensor.rows, columns: tensor.columns, inputs: inputs).count
        }
        let removed = Int((sparsity.fraction * Double(tensors.reduce(0) { $0 + count($1) })).rounded())
        let threshold =
            removed > 0 ? Selection.key(ofRank: removed, pieces: tensors.count, keys: keys) : (key: 0, smaller: 0)
        // Of those that equal the threshold, the first ones go.
        var ties = removed - threshold.smaller
        for (piece, index) in prunable.enumerated() where removed > 0 {
            let keys = keys(piece)
            let equal = min(ties, keys.count { $0 == threshold.key })
            ties -= equal
            let share = Double(keys.count { $0 < threshold.key } + equal) / Double(max(keys.count, 1))
            result[architecture.parameters[index].path] = sparsity.with(fraction: share)
        }
        return result
    }
}

extension Model {
    /// For every prunable matrix that has zeros the mask of what is not zero: to train a pruned model on, give it to
    /// `Pruner.prune(with:)`.
    public func zeroMasks() throws(TrainingError) -> [String: Mask] {
        var masks: [String: Mask] = [:]
        do {
            for index in architecture.prunable(except: []) {
                let weight = try weights[index].dense()
                let keeps = weight.elements.map { $0 != 0 }
                guard keeps.contains(false) else { continue }
                masks[architecture.parameters[index].path] = try Mask(
                    rows: weight.rows, columns: weight.columns, keeps: keeps)
            }
        } catch {
            throw .kernel(error)
        }
        return masks
    }
}
