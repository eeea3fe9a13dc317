import AlambicKernels
import AlambicModels
import AlambicTensor
import AlambicTraining

/// What weights become: integers or short floats.
///
/// To add a scheme, write one file with a type that conforms, and add it to ``QuantizationSchemes/all``.
public protocol QuantizationScheme: Sendable {
    /// The name by which the registry knows it.
    static var name: String { get }

    /// The scheme at its default settings.
    init()

    /// Whether it is for parameters of this kind. By default for the matrices of linear layers alone.
    func takes(_ kind: ParameterKind) -> Bool

    /// Throws when a parameter that it takes has a shape that it cannot have.
    func check(_ description: ParameterDescription) throws(TrainingError)

    /// The form of a dense weight, [outputs, inputs], under this scheme: each element rounded to nearest.
    func quantize(_ weight: PackedWeight, on context: Context) throws(KernelError) -> PackedWeight
}

extension QuantizationScheme {
    /// The matrices of linear layers.
    public func takes(_ kind: ParameterKind) -> Bool { kind == .matrix }

    /// Every shape will do.
    public func check(_ description: ParameterDescription) throws(TrainingError) {}
}

/// The quantization schemes that can be asked for by name.
public enum QuantizationSchemes {
    /// Every scheme there is. A new one is one line here.
    public static let all: [any QuantizationScheme.Type] = [
        Int8Scheme.self, Int4Scheme.self, BF16Scheme.self, F16Scheme.self,
    ]

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
    /// A copy of this model whose linear layers are quantized. Positions, gains and biases stay as they are, and so do
    /// token tables unless the scheme takes them. A sparse weight stays sparse.
    ///
    /// - Parameters:
    ///   - scheme: what weights become.
    ///   - except: layers to leave alone: `head`, or a part of a path between dots such as `h.0`, `mlp` or `c_proj`.
    ///   - context: where kernels run.
    public func quantized(
        _ scheme: some QuantizationScheme = .int8(), except: String..., on context: Context = .default
    ) throws(TrainingError) -> Model {
        try quantized(scheme, except: except, on: context)
    }

    /// The same with the exceptions as a list.
    public func quantized(
        _ scheme: some QuantizationScheme, except: [String], on context: Context = .default
    ) throws(TrainingError) -> Model {
        try quantized(scheme, method: RoundToNearest(), except: except, on: context)
    }

    /// The same by another method than rounding.
    ///
    /// - Parameters:
    ///   - scheme: what weights become.
    ///   - method: how the values of their new form are found.
    ///   - except: layers to leave alone: `head`, or a part of a path between dots such as `h.0`, `mlp` or `c_proj`.
    ///   - context: where kernels run.
    public func quantized(
        _ scheme: some QuantizationScheme, method: some QuantizationMethod, except: [String] = [],
        on context: Context = .default
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
        var chosen: [Int] = []
        for (index, description) in descriptions.enumerated()
        where scheme.takes(description.kind) && !except.contains(where: { isMatched(index, by: $0) }) {
            try scheme.check(description)
            chosen.append(index)
        }
        return replacing(weights: try method.quantize(self, chosen, to: scheme, on: context))
    }
}
