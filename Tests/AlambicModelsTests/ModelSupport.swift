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

/// Wide enough for 4-bit weights.
let wide = ModelConfiguration.gpt(layers: 1, width: 32, heads: 2, context: 6, vocabulary: 11)
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

/// The model in each form that its weights can have; 4-bit ones where groups of 32 divide its widths.
func allForms(_ model: Model) throws -> [(name: String, model: Model)] {
    var forms = [
        ("f32", model),
        ("int8", try converted(model) { .int8(try QuantizedTensor($0, on: .default)) }),
        ("bitmask", try converted(model) { .bitmask(try BitmaskTensor(try sparse($0))) }),
        (
            "bitmask int8",
            try converted(model) { .bitmask(try BitmaskTensor(try QuantizedTensor(try sparse($0), on: .default))) }
        ),
    ]
    for (name, format) in [("bf16", HalfFormat.bf16), ("f16", .f16)] {
        forms.append((name, try converted(model) { try halves($0, format) }))
        forms.append(("bitmask " + name, try converted(model) { try halves(try sparse($0), format).sparse() }))
    }
    guard model.architecture.width.isMultiple(of: 32) else { return forms }
    forms.append(("int4", try converted(model) { .int4(try GroupedTensor($0, on: .default)) }))
    forms.append(
        (
            "bitmask int4",
            try converted(model) { try PackedWeight.int4(GroupedTensor(try sparse($0), on: .default)).sparse() }
        )
    )
    return forms
}

private func halves(_ tensor: Tensor, _ format: HalfFormat) throws -> PackedWeight {
    let halves = try HalfTensor(tensor.shape)
    try convert(tensor.span, to: format, into: halves.mutableSpan, on: .default)
    return PackedWeight(halves, format)
}

func bits(_ model: Model) throws -> [[UInt32]] {
    try model.weights.map { try $0.dense().elements.map(\.bitPattern) }
}
