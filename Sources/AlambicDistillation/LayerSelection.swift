import AlambicModels
import AlambicTensor
import AlambicTraining

/// Which layers of a teacher a student starts with.
public enum LayerSelection: Sendable {
    /// Evenly spaced layers: every other one for half the depth, from the first (Sanh et al. 2019, "DistilBERT",
    /// section 2: "initialize the student from the teacher by taking one layer out of two").
    case evenlySpaced
    /// These layers, in the order of the student's.
    case layers([Int])

    /// The teacher's layer for every layer of a student of `count` layers.
    public func indices(_ count: Int, of total: Int) -> [Int] {
        switch self {
        case .evenlySpaced: (0..<count).map { $0 * total / count }
        case .layers(let indices): indices
        }
    }
}

extension Model {
    /// A model of `count` layers with the same width, which starts as a copy of some of this model's layers, and of its
    /// embeddings and final norm.
    ///
    /// - Parameters:
    ///   - count: layers of the student, at most as many as this model has.
    ///   - selection: which of this model's layers.
    public func student(layers count: Int, from selection: LayerSelection = .evenlySpaced) throws -> Model {
        let total = architecture.layers
        guard count > 0, count <= total else {
            throw TrainingError.modelsDiffer(
                "a student of \(count) layers cannot start from a teacher of \(total): use 1...\(total) layers")
        }
        let indices = selection.indices(count, of: total)
        guard indices.count == count, indices.allSatisfy({ (0..<total).contains($0) }) else {
            throw TrainingError.modelsDiffer(
                "the layers \(indices) are not \(count) of the teacher's 0...\(total - 1)")
        }
        let student = try Model(configuration.withLayers(count), seed: 0, tokenizer: tokenizer)
        return try student.initialized(from: self, layers: indices)
    }

    /// This model with the embeddings, the final norm and, for its layer i, layer `layers[i]` of `teacher`.
    ///
    /// - Throws: `TrainingError.modelsDiffer` when a shape is not the same in both.
    public func initialized(from teacher: Model, layers: [Int]) throws -> Model {
        precondition(
            layers.count == architecture.layers,
            "\(layers.count) layers are chosen for a model of \(architecture.layers)")
        let own = architecture.parameters
        let theirs = Dictionary(
            uniqueKeysWithValues: zip(teacher.architecture.parameters.map(\.path), teacher.weights))
        var weights: [PackedWeight] = []
        for description in own {
            let path = architecture.path(description.path, withLayer: { layers[$0] })
            guard let weight = theirs[path] else {
                throw TrainingError.modelsDiffer("the teacher has no parameter '\(path)'")
            }
            guard weight.shape == description.shape else {
                throw TrainingError.modelsDiffer(
                    "'\(path)' has shape \(weight.shape) in the teacher and \(description.shape) in the student: "
                        + "initialising from layers needs models of the same width and vocabulary")
            }
            weights.append(.f32(try weight.dense()))
        }
        return replacing(weights: weights)
    }
}
