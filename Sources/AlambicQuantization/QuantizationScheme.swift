import AlambicKernels
import AlambicModels
import AlambicTensor
import AlambicTraining

/// How weights become integers.
///
/// To add a scheme, write one file with a type that conforms, and add it to ``QuantizationSchemes/all``.
public protocol QuantizationScheme: Sendable {
    /// The name by which the registry knows it.
    static var name: String { get }

    /// The scheme at its default settings.
    init()

    /// The quantized form of the weight of one linear layer, [outputs, inputs]. A sparse weight stays sparse.
    func quantize(_ weight: PackedWeight, on context: Context) throws(KernelError) -> PackedWeight
}

/// The quantization schemes that can be asked for by name.
public enum QuantizationSchemes {
    /// Every scheme there is. A new one is one line here.
    public static let all: [any QuantizationScheme.Type] = [Int8Scheme.self]

    /// All names.
    public static var names: [String] { all.map { $0.name } }

    /// The scheme of this name at its default settings.
    public static func named(_ name: String) throws(TrainingError) -> any QuantizationScheme {
        guard let type = all.first(where: { $0.name == name }) else {
            throw .badSetting("unknown quantization scheme '\(name)': use one of \(names.joined(separator: ", "))")
        }
        return type.init()
    }
}

extension Model {
    /// A copy of this model whose linear layers are quantized. Embeddings, positions, gains and biases stay as they
    /// are.
    ///
    /// - Parameters:
    ///   - scheme: how weights become integers.
    ///   - except: layers to leave alone: `head`, or a part of a path between dots such as `h.0`, `mlp` or `c_proj`.
    ///   - context: where kernels run.
    public func quantized(
        _ scheme: some QuantizationScheme = .int8(), except: String..., on context: Context = .default
    ) throws(TrainingError) -> Model {
        try quantized(scheme, except: except, on: context)
    }

    /// A copy of this model whose linear layers are quantized, with the exceptions as a list.
    public func quantized(
        _ scheme: some QuantizationScheme, except: [String], on context: Context = .default
    ) throws(TrainingError) -> Model {
        let descriptions = architecture.parameters
        func isMatched(_ index: Int, by name: String) -> Bool {
            name == "head" && index == architecture.head.index
                || ".\(descriptions[index].path).".contains(".\(name).")
        }
        for name in except where !descriptions.indices.contains(where: { isMatched($0, by: name) }) {
            throw .badSetting(
                "no layer is called '\(name)': use 'head' or a part of a path such as '\(descriptions[0].path)'")
        }
        var weights = self.weights
        for (index, description) in descriptions.enumerated() where description.kind == .matrix {
            if except.contains(where: { isMatched(index, by: $0) }) { continue }
            do {
                weights[index] = try scheme.quantize(weights[index], on: context)
            } catch {
                throw .kernel(error)
            }
        }
        return replacing(weights: weights)
    }
}
