import AlambicKernels
import AlambicModels
import AlambicTensor
import AlambicTraining

/// How the values of a quantized form are found.
///
/// To add a method, write one file with a type that conforms, and add it to ``QuantizationMethods/all``.
public protocol QuantizationMethod: Sendable {
    /// The name by which the registry knows it.
    static var name: String { get }
    /// Whether it looks at what the layers are given while the model reads a text.
    static var needsCalibration: Bool { get }
    /// The names of the schemes that it makes weights of; nil for all.
    static var schemes: [String]? { get }

    /// The method at its default settings.
    ///
    /// - Parameter calibration: what the model is to read, where that is needed; else nil.
    /// - Throws: `badSetting` when it is needed and missing.
    init(calibration: Calibration?) throws(TrainingError)

    /// The weights of a model in walk order, those of the parameters `chosen` in the scheme's form. Sparse weights stay
    /// sparse: what is zero stays zero.
    func quantize(
        _ model: Model, _ chosen: [Int], to scheme: some QuantizationScheme, on context: Context
    ) throws(TrainingError) -> [PackedWeight]
}

extension QuantizationMethod {
    /// All.
    public static var schemes: [String]? { nil }

    /// Throws unless the method makes weights of a scheme.
    public static func check(_ scheme: some QuantizationScheme) throws(TrainingError) {
        let found = type(of: scheme).name
        guard let schemes, !schemes.contains(found) else { return }
        throw .badSetting("\(name) makes \(schemes.joined(separator: " or ")) weights, not \(found): use rtn for these")
    }
}

/// The quantization methods that can be asked for by name.
public enum QuantizationMethods {
    /// Every method there is. A new one is one line here.
    public static let all: [any QuantizationMethod.Type] = [RoundToNearest.self, GPTQ.self, SmoothQuant.self, AWQ.self]

    /// All names.
    public static var names: [String] { all.map { $0.name } }

    /// The type of the method of this name.
    public static func type(named name: String) throws(TrainingError) -> any QuantizationMethod.Type {
        guard let type = all.first(where: { $0.name == name }) else {
            throw .badSetting("unknown quantization method '\(name)': use one of \(names.joined(separator: ", "))")
        }
        return type
    }
}

/// Every weight becomes the nearest value of its form. No data is needed.
public struct RoundToNearest: QuantizationMethod {
    /// The name by which the registry knows it.
    public static let name = "rtn"
    /// It is not.
    public static let needsCalibration = false

    /// The method.
    public init() {}

    /// The method, which has no use for data.
    public init(calibration: Calibration?) throws(TrainingError) {}

    /// Quantizes weight by weight.
    public func quantize(
        _ model: Model, _ chosen: [Int], to scheme: some QuantizationScheme, on context: Context
    ) throws(TrainingError) -> [PackedWeight] {
        var weights = model.weights
        for index in chosen {
            do {
                weights[index] = try Self.quantize(weights[index], to: scheme, on: context)
            } catch {
                throw .badSetting("cannot quantize '\(model.architecture.parameters[index].path)': \(error)")
            }
        }
        return weights
    }

    static func quantize(
        _ weight: PackedWeight, to scheme: some QuantizationScheme, on context: Context
    ) throws(KernelError) -> PackedWeight {
        guard case .bitmask(let sparse) = weight else { return try scheme.quantize(weight, on: context) }
        return try scheme.quantize(try sparse.expanded(), on: context).sparse()
    }
}
