import AlambicFiles
import AlambicKernels
import AlambicTensor
import AlambicTestSupport
import Foundation

@testable import AlambicModels

/// A directory that is removed when nobody holds it any more.
final class ScratchDirectory {
    let url: URL

    init() throws {
        url = FileManager.default.temporaryDirectory.appendingPathComponent("alambic-models-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(at: url) }

    func path(_ name: String) -> URL { url.appendingPathComponent(name) }
}

let tiny = ModelConfiguration.gpt(layers: 2, width: 8, heads: 2, context: 6, vocabulary: 11)

/// A small model whose parameters are all random: gains, biases and positions too.
func randomModel(
    _ configuration: ModelConfiguration = tiny, seed: UInt64 = 1, deviation: Float = 0.3
) throws -> Model {
    var random = SplitMix(seed: seed)
    let model = try Model(configuration, seed: seed)
    return model.replacing(
        weights: try model.architecture.parameters.map {
            .f32(try Tensor($0.shape, random.normals($0.shape.count, deviation: deviation)))
        })
}

/// The model with its matrices in another form.
func converted(_ model: Model, _ form: (Tensor) throws -> PackedWeight) throws -> Model {
    model.replacing(
        weights: try zip(model.weights, model.architecture.parameters).map { weight, description in
            description.kind == .matrix ? try form(try weight.dense()) : weight
        })
}

/// About two thirds zeros.
func sparse(_ tensor: Tensor) throws -> Tensor {
    try Tensor(tensor.shape, tensor.elements.enumerated().map { $0 % 3 == 0 ? $1 : 0 })
}

/// The model in each form that its weights can have.
func allForms(_ model: Model) throws -> [(name: String, model: Model)] {
    [
        ("f32", model),
        ("int8", try converted(model) { .int8(try QuantizedTensor($0, on: .default)) }),
        ("bitmask", try converted(model) { .bitmask(try BitmaskTensor(try sparse($0))) }),
        (
            "bitmask int8",
            try converted(model) { .bitmask(try BitmaskTensor(try QuantizedTensor(try sparse($0), on: .default))) }
        ),
    ]
}

func bits(_ model: Model) throws -> [[UInt32]] {
    try model.weights.map { try $0.dense().elements.map(\.bitPattern) }
}
